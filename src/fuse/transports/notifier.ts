/**
 * Tells the kernel what to forget. Every message is written from a libuv threadpool thread: the kernel may write dirty
 * pages back or wait for a directory's lock inside that write, and this thread has to answer the requests it waits for.
 */
import { write } from 'node:fs'
import type { Log } from '../../base/index.js'
import type { Invalidation } from '../../vfs/index.js'
import { ERRNO } from '../protocol/errno.js'
import { NOTIFY, REPLY_HEADER_BYTES } from '../protocol/protocol.js'
import { Words } from '../protocol/words.js'

export interface Notifier {
  /** Queues a message. The same one already waiting is not sent twice. */
  notify(what: Invalidation): void
  /** Drops what waits and resolves when nothing is being written. */
  close(): Promise<void>
}

const EXPECTED: ReadonlySet<number> = new Set([ERRNO.ENOENT, ERRNO.ENODEV, ERRNO.ENOTCONN, ERRNO.EBADF])

/**
 * @param fd the channel's descriptor; the caller keeps it open until `close` has resolved
 * @param guard called with true while a message is being written, which may take as long as the requests it waits for
 */
export function createNotifier(fd: number, guard: (on: boolean) => void, log: Log): Notifier {
  const queue = new Map<string, Invalidation>()
  let closed = false
  let writing = false
  let onIdle: (() => void) | undefined

  const next = (): void => {
    const [first] = queue
    if (closed || first === undefined) {
      if (writing) guard(false)
      writing = false
      onIdle?.()
      return
    }
    if (!writing) guard(true)
    writing = true
    queue.delete(first[0])
    write(fd, encodeNotification(first[1]), (error) => {
      // ENOENT: the kernel does not know the inode or name. The others: the mount has ended.
      const errno = -(error?.errno ?? 0)
      if (error !== null && !EXPECTED.has(errno)) {
        log.warn('the kernel refused an invalidation', { errno })
      }
      next()
    })
  }

  return {
    notify(what) {
      if (closed) return
      const key = what.kind === 'inode' ? `${what.ino} ${what.attributesOnly}` : `${what.parent}/${what.name}`
      queue.set(key, what)
      if (!writing) next()
    },
    close() {
      closed = true
      queue.clear()
      if (!writing) return Promise.resolve()
      return new Promise((resolve) => {
        onIdle = resolve
      })
    },
  }
}

/** NOTIFY_INVAL_INODE with the whole range, or none for attributes alone; NOTIFY_INVAL_ENTRY with the name and its NUL. */
export function encodeNotification(what: Invalidation): Buffer {
  const length = REPLY_HEADER_BYTES + (what.kind === 'inode' ? 24 : 16 + what.name.length + 1)
  const words = new Words(new ArrayBuffer((length + 7) & ~7), 0, (length + 7) & ~7)
  words.setU32(0, length)
  words.setU32(4, what.kind === 'inode' ? NOTIFY.INVAL_INODE : NOTIFY.INVAL_ENTRY)
  if (what.kind === 'inode') {
    words.set64(16, what.ino)
    words.set64(24, what.attributesOnly ? -1 : 0)
  } else {
    words.set64(16, what.parent)
    words.setU32(24, what.name.length)
    words.bytes.write(what.name, 32, 'latin1')
  }
  return words.bytes.subarray(0, length)
}
