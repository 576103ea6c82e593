/** The errors of a mount that is in the way. */
import { DriveError, isDriveError, shellWord } from '../../base/index.js'
import { busyMessage, usersOf } from './users-of.js'

/** Of a drive that is to be replaced. */
export function mountedAt(directory: string): DriveError {
  return new DriveError('BUSY', `The drive here is mounted. First: "dagdrive unmount ${shellWord(directory)}".`)
}

/** Adds the names of the programs to a BUSY error. */
export async function explainBusy(error: unknown, directory: string): Promise<never> {
  if (!isDriveError(error, 'BUSY')) throw error
  throw new DriveError('BUSY', busyMessage(directory, await usersOf(directory)), { cause: error })
}
