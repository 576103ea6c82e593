/**
 * The kernel protocol byte by byte: recorded requests of a real kernel, the replies it accepted, and malformed
 * requests.
 */
import { readFileSync } from 'node:fs'
import test from 'ava'
import { DriveError, seededRandom } from '../../base/index.js'
import { MemoryTree } from '../../../test/support/fuse/memory/memory-tree.js'
import { INIT, INIT2, OP } from './protocol.js'
import {
  createLoopback,
  encodeInit,
  encodeRequest,
  STOPPED_CLOCK,
  type Loopback,
} from '../../../test/support/fuse/loopback.js'

interface Captured {
  readonly request: Buffer
  readonly reply: Buffer | undefined
}

/** Recorded on Linux 6.18 by testing/capture-session.ts. */
function captured(): Captured[] {
  const lines = readFileSync(new URL('../../../../fixtures/fuse/session.jsonl', import.meta.url), 'utf8')
    .trim()
    .split('\n')
  return lines.map((line) => {
    const { request, reply } = JSON.parse(line) as { request: string; reply?: string }
    return { request: Buffer.from(request, 'hex'), reply: reply === undefined ? undefined : Buffer.from(reply, 'hex') }
  })
}

/** A tree with one file `f` of 5 bytes (ino 2) behind a session after INIT. */
function ready(): { loopback: Loopback; tree: MemoryTree } {
  const tree = new MemoryTree({ clock: STOPPED_CLOCK })
  const loopback = createLoopback(tree)
  loopback.feed(encodeInit())
  const made = loopback.feed(encodeRequest(OP.CREATE, 1, Buffer.concat([words(0o102, 0o100644, 0o22, 0), text('f')])))
  const handle = made[0]!.readUInt32LE(16 + 128)
  loopback.feed(
    encodeRequest(OP.WRITE, 2, Buffer.concat([words(handle, 0, 0, 0, 5, 0, 0, 0, 0, 0), Buffer.from('12345')])),
  )
  loopback.feed(encodeRequest(OP.RELEASE, 2, words(handle, 0, 0, 0, 0, 0)))
  return { loopback, tree }
}

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  values.forEach((value, i) => bytes.writeUInt32LE(value >>> 0, i * 4))
  return bytes
}

function text(value: string): Buffer {
  return Buffer.from(`${value}\0`, 'latin1')
}

function errnoOf(replies: Buffer[]): number {
  return 0 - replies[0]!.readInt32LE(4)
}

test('a session recorded from a real kernel gets the same replies, byte by byte', (t) => {
  const loopback = createLoopback(new MemoryTree({ clock: STOPPED_CLOCK }))
  const seen = new Set<number>()
  for (const [line, { request, reply }] of captured().entries()) {
    const replies = loopback.feed(request)
    seen.add(request.readUInt32LE(4))
    t.is(replies.length, reply === undefined ? 0 : 1, `line ${line + 1}`)
    t.is(replies[0]?.toString('hex'), reply?.toString('hex'), `line ${line + 1}`)
  }
  t.true(seen.size >= 30, `only ${seen.size} kinds of requests`)
})

test('INIT requests exactly the flags of the design', (t) => {
  const [reply] = createLoopback(new MemoryTree()).feed(encodeInit())
  const flags = reply!.readUInt32LE(28)
  t.is(reply!.length, 80)
  t.deepEqual([reply!.readUInt32LE(16), reply!.readUInt32LE(20)], [7, 45])
  t.is(reply!.readUInt32LE(36), 1024 * 1024)
  t.is(reply!.readUInt16LE(44), 256)
  t.is(reply!.readUInt32LE(48), INIT2.HAS_EXPIRE_ONLY | INIT2.REQUEST_TIMEOUT)
  t.is(reply!.readUInt16LE(56), 600)
  t.is(flags & (INIT.WRITEBACK_CACHE | (1 << 1) | (1 << 10) | (1 << 12) | (1 << 19)), 0)
  t.truthy(
    flags & INIT.READDIRPLUS_AUTO &&
      flags & INIT.MAX_PAGES &&
      flags & INIT.EXPLICIT_INVAL_DATA &&
      flags & INIT.HANDLE_KILLPRIV_V2,
  )
  const [writeback] = createLoopback(new MemoryTree(), { writeback: true }).feed(encodeInit())
  t.truthy(writeback!.readUInt32LE(28) & INIT.WRITEBACK_CACHE)
})

test('a kernel older than 7.31 is refused, a newer major gets our major version', (t) => {
  const loopback = createLoopback(new MemoryTree())
  let failure: DriveError | undefined
  loopback.session.onInitialized = (outcome) => (failure = outcome)
  t.is(errnoOf(loopback.feed(encodeRequest(OP.INIT, 0, words(7, 30, 0, 0)))), 71)
  t.is(failure?.code, 'MOUNT_FAILED')
  t.is(loopback.feed(encodeRequest(OP.INIT, 0, words(8, 0, 0, 0)))[0]!.readUInt32LE(16), 7)
  t.is(errnoOf(loopback.feed(encodeRequest(OP.GETATTR, 1, words(0, 0, 0, 0)))), 5)
})

test('LOOKUP answers struct fuse_entry_out: nodeid, an hour, size, mode, times with nanoseconds', (t) => {
  const { loopback } = ready()
  const [reply] = loopback.feed(encodeRequest(OP.LOOKUP, 1, text('f')))
  t.is(reply!.length, 16 + 128)
  t.deepEqual([reply!.readBigUInt64LE(16), reply!.readBigUInt64LE(32), reply!.readBigUInt64LE(40)], [2n, 3600n, 3600n])
  t.deepEqual([reply!.readBigUInt64LE(56), reply!.readBigUInt64LE(64)], [2n, 5n])
  t.deepEqual([reply!.readBigInt64LE(88), reply!.readUInt32LE(108)], [1_767_323_045n, 6])
  t.is(reply!.readUInt32LE(116), 0o100644)
  t.deepEqual([reply!.readUInt32LE(124), reply!.readUInt32LE(128)], [1000, 100])
  const [none] = loopback.feed(encodeRequest(OP.LOOKUP, 1, text('absent')))
  t.deepEqual([none!.readInt32LE(4), none!.readBigUInt64LE(16), none!.readBigUInt64LE(32)], [0, 0n, 3600n])
})

test('SETATTR takes negative seconds and keeps fields without their valid bit', (t) => {
  const { loopback, tree } = ready()
  const body = Buffer.alloc(88)
  body.writeUInt32LE(1 << 5, 0)
  body.writeBigInt64LE(-7n, 40)
  body.writeUInt32LE(9, 60)
  body.writeUInt32LE(0o777, 68)
  t.is(errnoOf(loopback.feed(encodeRequest(OP.SETATTR, 2, body))), 0)
  t.like(tree.getAttributes(2), { mtimeSec: -7, mtimeNsec: 9, mode: 0o100644, atimeSec: 1_767_323_045 })
})

test('references and handles of a reply that the kernel did not accept are released', (t) => {
  const { loopback, tree } = ready()
  loopback.feed(encodeRequest(OP.FORGET, 2, words(1, 0)))
  const opened = loopback.feed(encodeRequest(OP.OPENDIR, 1, words(0, 0)))[0]!.readUInt32LE(16)
  loopback.result = -2
  loopback.feed(encodeRequest(OP.LOOKUP, 1, text('f')))
  loopback.feed(encodeRequest(OP.READDIRPLUS, 1, words(opened, 0, 0, 0, 4096, 0, 0, 0, 0, 0)))
  loopback.feed(encodeRequest(OP.OPEN, 2, words(2, 0)))
  loopback.feed(encodeRequest(OP.OPENDIR, 1, words(0, 0)))
  loopback.feed(encodeRequest(OP.CREATE, 1, Buffer.concat([words(2, 0o100644, 0, 0), text('g')])))
  t.is(tree.handleCount, 1)
  t.is(tree.inodeCount, 3)
  loopback.result = 0
  loopback.feed(encodeRequest(OP.UNLINK, 1, text('f')))
  loopback.feed(encodeRequest(OP.UNLINK, 1, text('g')))
  t.is(tree.inodeCount, 1)
})

test('READDIRPLUS grants one reference per entry but none for . and ..; BATCH_FORGET releases them', (t) => {
  const { loopback, tree } = ready()
  const handle = loopback.feed(encodeRequest(OP.OPENDIR, 1, words(0, 0)))[0]!.readUInt32LE(16)
  const [listing] = loopback.feed(encodeRequest(OP.READDIRPLUS, 1, words(handle, 0, 0, 0, 4096, 0, 0, 0, 0, 0)))
  const names = ['.', '..', 'f'].map((name, i) => [
    name,
    listing!.readBigUInt64LE(16 + i * 160),
    listing!.readBigUInt64LE(152 + i * 160),
  ])
  t.deepEqual(names, [
    ['.', 0n, 1n],
    ['..', 0n, 2n],
    ['f', 2n, 3n],
  ])
  t.is(listing!.length, 16 + 3 * 160)
  const [rest] = loopback.feed(encodeRequest(OP.READDIR, 1, words(handle, 0, 2, 0, 4096, 0, 0, 0, 0, 0)))
  t.is(rest!.length, 16 + 32)
  loopback.feed(encodeRequest(OP.UNLINK, 1, text('f')))
  t.is(tree.inodeCount, 2)
  loopback.feed(encodeRequest(OP.BATCH_FORGET, 0, words(2, 0, 2, 0, 1, 0, 2, 0, 1, 0)))
  t.is(tree.inodeCount, 1)
})

test('CREATE of a name that another device made opens the file, unless the caller uses O_EXCL', async (t) => {
  const { loopback, tree } = ready()
  const create = (flags: number): Buffer =>
    encodeRequest(OP.CREATE, 1, Buffer.concat([words(flags, 0o100600, 0, 0), text('f')]))
  t.is(errnoOf(loopback.feed(create(0o302))), 17)
  loopback.feed(create(0o1102))
  await new Promise((resolve) => setImmediate(resolve))
  const [reply] = loopback.replies()
  t.deepEqual([reply!.readInt32LE(4), reply!.readBigUInt64LE(16), reply!.readUInt32LE(116)], [0, 2n, 0o100644])
  t.is(tree.getAttributes(2).size, 0)
  t.is(tree.handleCount, 1)
})

test('a connection taken over keeps the negotiated flags: we apply the umask, the kernel checks ACLs', (t) => {
  const loopback = createLoopback(new MemoryTree({ clock: STOPPED_CLOCK }))
  const flags = INIT.DONT_MASK | INIT.POSIX_ACL | INIT.SETXATTR_EXT
  loopback.session.takeOver({ minor: 45, flags, flags2: 0 })
  const [made] = loopback.feed(encodeRequest(OP.MKDIR, 1, Buffer.concat([words(0o777, 0o27), text('d')])))
  t.is(made!.readUInt32LE(116), 0o40750)
  t.true(loopback.session.hasAcls)
})

test('unsupported operations are answered ENOSYS, bodies that are too short EIO', (t) => {
  const { loopback } = ready()
  for (const opcode of [31, 32, 33, 37, 39, 40, 48, 49, 51, 54, 4096, 0xffffffff]) {
    t.is(errnoOf(loopback.feed(encodeRequest(opcode, 1, Buffer.alloc(64)))), 38, `opcode ${opcode}`)
  }
  for (const opcode of [OP.WRITE, OP.SETATTR, OP.READ, OP.CREATE, OP.RENAME2, OP.COPY_FILE_RANGE, OP.ACCESS]) {
    t.is(errnoOf(loopback.feed(encodeRequest(opcode, 2, Buffer.alloc(4)))), 5, `opcode ${opcode}`)
  }
})

test('an error that is not a DriveError is EIO, and a rejection is answered once', async (t) => {
  const { loopback, tree } = ready()
  tree.getAttributes = () => {
    throw new TypeError('a bug')
  }
  t.is(errnoOf(loopback.feed(encodeRequest(OP.GETATTR, 2, words(0, 0, 0, 0)))), 5)
  tree.readLink = (() => Promise.reject(new DriveError('OFFLINE', 'No node.'))) as never
  t.deepEqual(loopback.feed(encodeRequest(OP.READLINK, 2, Buffer.alloc(0))), [])
  await new Promise((resolve) => setImmediate(resolve))
  t.is(errnoOf(loopback.replies()), 101)
})

test('200,000 malformed requests never throw and get at most one well-formed reply each', (t) => {
  const seed = (process.hrtime()[1] | 1) >>> 0
  t.log(`seed ${seed}`)
  const random = seededRandom(seed)
  const samples = captured().map(({ request }) => request)
  const tree = new MemoryTree({ clock: STOPPED_CLOCK })
  const loopback = createLoopback(tree)
  loopback.feed(encodeInit())
  let answered = 0
  for (let i = 0; i < 200_000; i++) {
    const sample = samples[random.next(samples.length)]!
    const request = Buffer.from(
      sample.subarray(0, random.next(4) === 0 ? random.next(sample.length + 1) : sample.length),
    )
    for (let flips = random.next(6); flips > 0 && request.length > 0; flips--) {
      request[random.next(request.length)] = random.next(3) === 0 ? 0xff : random.next(256)
    }
    // Files of petabytes would only slow down the memory tree.
    const opcode = request.length >= 8 ? request.readUInt32LE(4) : 0
    if (opcode === OP.COPY_FILE_RANGE || opcode === OP.COPY_FILE_RANGE_64) continue
    if (random.next(8) > 0 && request.length >= 4) request.writeUInt32LE(request.length, 0)
    const replies = loopback.feed(request)
    t.true(replies.length <= 1)
    for (const reply of replies) {
      answered++
      const errno = 0 - reply.readInt32LE(4)
      if (reply.readUInt32LE(0) !== reply.length || errno < 0 || errno >= 512) t.fail(request.toString('hex'))
    }
  }
  t.true(answered > 50_000)
  t.is(errnoOf(loopback.feed(encodeRequest(OP.STATFS, 1, Buffer.alloc(0)))), 0)
})
