/** What files need and Node lacks; each says "cannot" where the native core is absent. */
import { constants } from 'node:os'
import { nativeSeal } from './native-seal.js'

const PAGE = 4096

/**
 * Gives the disk blocks of a byte range back (fallocate PUNCH_HOLE); the range then reads as zeros. Whole pages only
 * are freed.
 * @returns false when the file system or this build cannot
 */
export function punchHole(fd: number, offset: number, length: number): boolean {
  return nativeSeal()?.punchHole(fd, offset, length) === 0
}

/**
 * Reads what is in the page cache, without waiting for the disk (preadv2 RWF_NOWAIT).
 * @returns bytes read (fewer than asked: the rest is not in memory, or the file ends), or undefined when nothing is at
 * hand or this build or file system cannot tell
 */
export function readWithoutWaiting(fd: number, into: Uint8Array, offset: number): number | undefined {
  const read = nativeSeal()?.preadNoWait(fd, into, offset)
  if (read === undefined || read === -constants.errno.EAGAIN || read === -constants.errno.EOPNOTSUPP) return undefined
  if (read < 0) throw Object.assign(new Error('preadv2 failed'), { errno: read })
  return read
}

/** @returns zeroed memory that begins on a page, as direct I/O wants it; undefined where this build cannot tell */
export function allocatePages(bytes: number): Buffer | undefined {
  const native = nativeSeal()
  if (native === undefined) return undefined
  const memory = Buffer.alloc(bytes + PAGE)
  const start = native.bytesToPage(memory)
  return memory.subarray(start, start + bytes)
}

/**
 * Takes the pages of all shared mappings of a file out of this process. Nobody may unmap the file meanwhile.
 * Without the native core nothing happens.
 */
export function forgetMapped(path: string): void {
  nativeSeal()?.forgetMapped?.(path)
}

/**
 * From now on a thread of the core takes the file's mappings out of this process, as `forgetMapped` does, whenever
 * mapped files have more than `mostBytes` of it. The thread does not wait for any thread of JavaScript.
 * @returns ends it; to be called before the file is unmapped. Undefined where the core cannot.
 */
export function watchMapped(path: string, mostBytes: number): (() => void) | undefined {
  const native = nativeSeal()
  const watch = native?.watchMapped?.(path, mostBytes) ?? -1
  return watch < 0 ? undefined : () => void native?.unwatchMapped?.(watch)
}

/** Gives free memory of the C heap back to the system, also from its middle. Takes some milliseconds. */
export function trimHeap(): void {
  nativeSeal()?.trimHeap?.()
}
