/** File calls that Node lacks. Each reports that it cannot work where the native core is absent. */
import { constants } from 'node:os'
import { nativeSeal } from './native-seal.js'

const PAGE = 4096

/**
 * Frees the disk blocks of a byte range (fallocate PUNCH_HOLE). The range then reads as zeros. Only whole pages are
 * freed.
 * @returns false when the file system or this build cannot
 */
export function punchHole(fd: number, offset: number, length: number): boolean {
  return nativeSeal()?.punchHole(fd, offset, length) === 0
}

/**
 * Reads from the page cache, without waiting for the disk (preadv2 RWF_NOWAIT).
 * @returns bytes read; fewer than requested when the rest is not in memory or the file ends. Undefined when nothing is
 * in memory, or when this build or file system cannot tell
 */
export function readWithoutWaiting(fd: number, into: Uint8Array, offset: number): number | undefined {
  const read = nativeSeal()?.preadNoWait(fd, into, offset)
  if (read === undefined || read === -constants.errno.EAGAIN || read === -constants.errno.EOPNOTSUPP) return undefined
  if (read < 0) throw Object.assign(new Error('preadv2 failed'), { errno: read })
  return read
}

/** @returns zeroed memory that begins on a page, as direct I/O requires; undefined where this build cannot tell */
export function allocatePages(bytes: number): Buffer | undefined {
  const native = nativeSeal()
  if (native === undefined) return undefined
  const memory = Buffer.alloc(bytes + PAGE)
  const start = native.bytesToPage(memory)
  return memory.subarray(start, start + bytes)
}

/**
 * Removes the pages of all shared mappings of a file from this process's memory. Nobody may unmap the file meanwhile.
 * Does nothing without the native core.
 */
export function forgetMapped(path: string): void {
  nativeSeal()?.forgetMapped?.(path)
}

/**
 * Starts a native thread that removes the file's mapped pages from this process's memory, like `forgetMapped`, whenever
 * mapped files take more than `mostBytes` of it. The thread never waits for a JavaScript thread.
 * @returns a function that ends it; call it before the file is unmapped. Undefined where the core does not support it.
 */
export function watchMapped(path: string, mostBytes: number): (() => void) | undefined {
  const native = nativeSeal()
  const watch = native?.watchMapped?.(path, mostBytes) ?? -1
  return watch < 0 ? undefined : () => void native?.unwatchMapped?.(watch)
}

/**
 * Makes the watching thread check more often while a load touches very many mapped pages in a short time.
 * @returns ends it
 */
export function hurryWatch(): () => void {
  const native = nativeSeal()
  native?.hurryWatch?.(1)
  return () => void native?.hurryWatch?.(-1)
}

/** Returns free memory of the C heap to the system, also from the middle of the heap. Takes some milliseconds. */
export function trimHeap(): void {
  nativeSeal()?.trimHeap?.()
}
