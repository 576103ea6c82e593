/**
 * Sends invalidations to the kernel. Every message is written from a libuv threadpool thread. During the write, the
 * kernel may write dirty pages back or wait for a directory's lock, and this thread must answer those requests.
 */
import { write } from 'node:fs'
import type { Log } from '../../base/index.js'
import type { Invalidation } from '../../vfs/index.js'
import { ERRNO } from '../protocol/errno.js'
import { NOTIFY, REPLY_HEADER_BYTES } from '../protocol/protocol.js'
import { Words } from '../protocol/words.js'

/** Cached pages of a byte range. */
interface PageRange {
  readonly kind: 'pages'
  readonly ino: number
  readonly offset: number
  readonly length: number
}

interface Waiting {
  readonly what: Invalidation | PageRange
  readonly onDone: (() => void)[]
}

export interface Notifier {
  /** Queues a message, unless an equal message is already waiting. */
  notify(what: Invalidation): void
  /** Resolves when the kernel has dropped the pages of the range. The kernel waits for pages that are being read. */
  dropPages(ino: number, offset: number, length: number): Promise<void>
  /** Resolves when the kernel has dropped the inode's attributes. */
  dropAttributes(ino: number): Promise<void>
  /** Drops waiting messages and resolves when no message is being written. */
  close(): Promise<void>
}

const EXPECTED: ReadonlySet<number> = new Set([ERRNO.ENOENT, ERRNO.ENODEV, ERRNO.ENOTCONN, ERRNO.EBADF])

/**
 * @param fd the channel's descriptor; the caller keeps it open until `close` has resolved
 * @param guard called with true before a message is written and with false after; the write may take as long as the
 * requests it waits for
 */
export function createNotifier(fd: number, guard: (on: boolean) => void, log: Log): Notifier {
  const queue = new Map<string, Waiting>()
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
    const { what, onDone } = first[1]
    write(fd, encodeNotification(what), (error) => {
      // ENOENT: the kernel has not cached the inode or name. The other errors: the mount has ended.
      const errno = -(error?.errno ?? 0)
      if (error !== null && !EXPECTED.has(errno)) {
        log.warn('the kernel refused an invalidation', { errno })
      }
      for (const done of onDone) done()
      next()
    })
  }

  const add = (key: string, what: Invalidation | PageRange, onDone?: () => void): void => {
    const waiting = queue.get(key) ?? { what, onDone: [] }
    queue.set(key, waiting)
    if (onDone !== undefined) waiting.onDone.push(onDone)
    if (!writing) next()
  }

  return {
    notify(what) {
      if (closed) return
      add(what.kind === 'inode' ? `${what.ino} ${what.attributesOnly}` : `${what.parent}/${what.name}`, what)
    },
    dropPages(ino, offset, length) {
      if (closed) return Promise.resolve()
      return new Promise((resolve) =>
        add(`${ino} ${offset} ${length}`, { kind: 'pages', ino, offset, length }, resolve),
      )
    },
    dropAttributes(ino) {
      if (closed) return Promise.resolve()
      return new Promise((resolve) => add(`${ino} true`, { kind: 'inode', ino, attributesOnly: true }, resolve))
    },
    close() {
      closed = true
      for (const { onDone } of queue.values()) for (const done of onDone) done()
      queue.clear()
      if (!writing) return Promise.resolve()
      return new Promise((resolve) => {
        onIdle = resolve
      })
    },
  }
}

/**
 * Makes the kernel resend, before all other requests, those that a dead server had read and not answered. The kernel
 * resends every request that was read and not answered. So this is called before anything is read: a request read
 * earlier would arrive and run twice. Rejects if the kernel does not support it.
 */
export function askToResend(fd: number): Promise<void> {
  const words = new Words(new ArrayBuffer(REPLY_HEADER_BYTES), 0, REPLY_HEADER_BYTES)
  words.setU32(0, REPLY_HEADER_BYTES)
  words.setU32(4, NOTIFY.RESEND)
  return new Promise((resolve, reject) => {
    write(fd, words.bytes, (error) => (error === null ? resolve() : reject(error)))
  })
}

/**
 * NOTIFY_INVAL_INODE for a range, for all pages, or for attributes alone; NOTIFY_INVAL_ENTRY with the name and its NUL.
 */
function encodeNotification(what: Invalidation | PageRange): Buffer {
  const isEntry = what.kind === 'entry'
  const length = REPLY_HEADER_BYTES + (isEntry ? 16 + what.name.length + 1 : 24)
  const words = new Words(new ArrayBuffer((length + 7) & ~7), 0, (length + 7) & ~7)
  words.setU32(0, length)
  words.setU32(4, isEntry ? NOTIFY.INVAL_ENTRY : NOTIFY.INVAL_INODE)
  if (what.kind === 'inode') {
    words.set64(16, what.ino)
    words.set64(24, what.attributesOnly ? -1 : 0)
  } else if (what.kind === 'pages') {
    words.set64(16, what.ino)
    words.set64(24, what.offset)
    words.set64(32, what.length)
  } else {
    words.set64(16, what.parent)
    words.setU32(24, what.name.length)
    words.bytes.write(what.name, 32, 'latin1')
  }
  return words.bytes.subarray(0, length)
}
