/** Where writes land whose descriptor has, gets or loses O_APPEND. */
import test from 'ava'
import { body, feed, served, show, takeOver, words, type Daemon } from '../../../test/support/fuse/answering-daemon.js'
import { encodeRequest } from '../../../test/support/fuse/loopback.js'
import { OP } from '../protocol/protocol.js'

const O_RDWR = 2
const O_TRUNC = 0o1000
const O_APPEND = 0o2000
const FROM_CACHE = 1
const RESENT = 0x8000_0000

interface Write {
  readonly text: string
  readonly offset: number
  /** The flags that the descriptor has now; none for a page that the kernel writes back. */
  readonly flags: number
  readonly writeFlags?: number
}

/** As the kernel sends them: it replaces the offset of an append by the file's size. */
const WRITES: readonly Write[] = [
  { text: 'hello', offset: 0, flags: O_RDWR | O_APPEND },
  { text: 'JE', offset: 0, flags: 0, writeFlags: FROM_CACHE },
  { text: 'L', offset: 3, flags: O_RDWR },
  { text: ', you', offset: 5, flags: O_RDWR | O_APPEND },
  { text: 'O', offset: 4, flags: 0, writeFlags: FROM_CACHE },
  { text: '!', offset: 10, flags: O_RDWR | O_APPEND },
]
const CONTENT = 'JElLO, you!'

async function contentOf(daemon: Daemon, ino: number): Promise<string | undefined> {
  const line = (await show(daemon.drive)).find((each) => each.split(' ')[1] === `${ino}`)
  // The name of its attribute comes before the content.
  return line?.slice(line.indexOf('user.old ') + 'user.old '.length)
}

for (const opened of [O_RDWR | O_TRUNC | O_APPEND, O_RDWR | O_TRUNC])
  for (const isCommitted of [false, true])
    test.serial(
      `S-142 a write lands at its offset, opened with ${opened.toString(8)}, also after a kill ${
        isCommitted ? 'that follows a commit' : 'before any commit'
      }`,
      async (t) => {
        const { scratch, state, first, numbers } = await served()
        const { ino } = numbers.g
        const reply = await feed(first, encodeRequest(OP.OPEN, ino, words(opened, 0), 2))
        const handle = Number(reply.readBigUInt64LE(16))
        const requests = WRITES.map(({ text, offset, flags, writeFlags = 0 }, i) => {
          const head = words(handle, 0, offset, 0, text.length, writeFlags, 0, 0, flags, 0)
          return encodeRequest(OP.WRITE, ino, body(head, Buffer.from(text)), 4 + 2 * i)
        })
        for (const request of requests) t.is((await feed(first, request)).readInt32LE(4), 0)
        t.is(await contentOf(first, ino), CONTENT)
        if (isCommitted) await first.drive.tree.redo!.commit()

        const copy = scratch.crashCopy()
        const next = await takeOver(copy, state.memory.slice(0))
        t.is(await contentOf(next, ino), CONTENT, 'each write is replayed where it was')
        const again = Buffer.from(requests.at(-1)!)
        again.writeUInt32LE((again.readUInt32LE(12) | RESENT) >>> 0, 12)
        t.is((await feed(next, again)).readInt32LE(4), 0)
        t.is(await contentOf(next, ino), CONTENT, 'an append that the kernel sends again takes effect once')
        for (const { journal, drive } of [first, next]) {
          journal.close()
          await drive.shut()
        }
        for (const each of [scratch, copy]) each.remove()
      },
    )
