import test, { type ExecutionContext } from 'ava'
import {
  body,
  feed,
  KINDS,
  served,
  show,
  takeOver,
  text,
  words,
  type Numbers,
} from '../../../test/support/fuse/answering-daemon.js'
import { encodeRequest } from '../../../test/support/fuse/loopback.js'
import { caller, name } from '../../../test/support/vfs/drive.js'
import { ROOT_INO } from '../../vfs/index.js'
import { OP } from '../protocol/protocol.js'
import { SharedState } from './shared-state.js'

const RESENT = 0x8000_0000

function again(request: Buffer): Buffer {
  const copy = Buffer.from(request)
  copy.writeUInt32LE((copy.readUInt32LE(12) | RESENT) >>> 0, 12)
  return copy
}

const POINTS = [
  'before a change is executed',
  'after it is logged and before it is answered',
  'after a commit',
  'again during the next take-over',
] as const

for (const point of POINTS) {
  test.serial(`S-084 daemon killed ${point}: each change takes effect once and gets the same answer`, async (t) => {
    for (const [kind, encode] of Object.entries(KINDS)) {
      t.log(kind)
      await scenario(t, encode, point)
    }
  })
}

async function scenario(
  t: ExecutionContext,
  encode: (n: Numbers) => Buffer,
  point: (typeof POINTS)[number],
): Promise<void> {
  const { scratch, state, first, numbers } = await served()
  const request = encode(numbers)

  const untouched = point === POINTS[0] ? { memory: state.memory.slice(0), copy: scratch.crashCopy() } : undefined
  const answer = await feed(first, request)
  t.is(answer.readInt32LE(4), 0)
  const memory = untouched?.memory ?? state.memory.slice(0)
  const wanted = await show(first.drive)
  if (point === 'after a commit') await first.drive.tree.redo!.commit()
  const copy = untouched?.copy ?? scratch.crashCopy()

  let next = await takeOver(copy, memory)
  let last = copy
  if (point === POINTS[3]) {
    await next.drive.tree.redo!.commit()
    // Another resent request is served first.
    t.is(
      (await feed(next, again(encodeRequest(OP.MKDIR, ROOT_INO, body(words(0o755, 0), text('other')), 4)))).readInt32LE(
        4,
      ),
      0,
    )
    await next.drive.tree.redo!.commit()
    const kept = new SharedState(memory.slice(0))
    last = copy.crashCopy()
    next.journal.close()
    await next.drive.shut()
    next = await takeOver(last, kept.memory)
    t.is((await next.drive.tree.lookup(ROOT_INO, name('other'), caller))?.nlink, 2)
    await next.drive.tree.removeDirectory(ROOT_INO, name('other'), caller)
  }
  const reply = await feed(next, again(request))
  t.is(reply.readInt32LE(4), 0)
  t.is(reply.readUInt32LE(12), RESENT)
  t.is(reply.length, answer.length)
  // The numbers that the kernel will use: of an entry or an open file, or a count. They are assigned again if there was
  // no answer.
  if (untouched === undefined) t.deepEqual(reply.subarray(16, 24), answer.subarray(16, 24))
  const seen = await show(next.drive)
  const withoutNumber = (line: string): string => (untouched === undefined ? line : line.replace(/ \d+ /, ' '))
  t.deepEqual(seen.map(withoutNumber), wanted.map(withoutNumber))
  for (const { journal, drive } of [first, next]) {
    journal.close()
    await drive.shut()
  }
  for (const each of new Set([scratch, copy, last])) each.remove()
}
