/** The warning of `status` that the disk of the local data is full. */
import { MIB } from '../../base/index.js'
import { spaceOf } from '../../platform/index.js'

/** With less, no change can be kept. */
const LEAST_BYTES = MIB

/** @param directory of the local data @returns one sentence, or none */
export async function diskWarnings(directory: string): Promise<string[]> {
  const space = await spaceOf(directory).catch(() => undefined) // the disk or the folder is gone, which opening reports
  if (space === undefined || space.availableBytes >= LEAST_BYTES) return []
  return [`The disk of ${directory} is full: the drive can be read, and changes fail until there is space.`]
}
