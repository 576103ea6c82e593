/**
 * Opens a segment file. A directory, pipe, link or device in the place of one is not ours: nothing follows it or waits
 * for it, and the segment counts as lost.
 */
import { closeSync, constants, fstatSync, open, openSync } from 'node:fs'
import { promisify } from 'node:util'

const openLater = promisify(open)
const SAFELY = constants.O_NOFOLLOW | constants.O_NONBLOCK

/** Of open(2): there is no file; or a link, a directory, a socket or a device without a driver is in its place. */
const LOST: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ELOOP', 'EISDIR', 'ENXIO', 'ENODEV'])

/** @returns a descriptor, or undefined if the segment is lost */
export function openSegment(path: string, flags: number): number | undefined {
  try {
    return regularOnly(openSync(path, flags | SAFELY))
  } catch (error) {
    return unlessLost(error)
  }
}

/** The same without blocking the thread. */
export async function openSegmentLater(path: string, flags: number): Promise<number | undefined> {
  try {
    return regularOnly(await openLater(path, flags | SAFELY))
  } catch (error) {
    return unlessLost(error)
  }
}

function unlessLost(error: unknown): undefined {
  if (!LOST.has((error as NodeJS.ErrnoException).code)) throw error
}

/** Closes what opens and is no file: a pipe, a device, a directory opened for reading. */
function regularOnly(fd: number): number | undefined {
  try {
    if (fstatSync(fd).isFile()) return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
  closeSync(fd)
  return undefined
}
