/** The error of a request that needs the drive while it is not open. */
import type { DriveState } from '../../api/index.js'
import { DriveError } from '../../base/index.js'

/** @param failure why the drive could not be opened */
export function notOpen(state: DriveState, failure: DriveError | undefined): DriveError {
  if (state === 'no-drive') return new DriveError('NO_DRIVE', 'There is no drive here yet.')
  if (state === 'locked') return new DriveError('LOCKED', 'The drive is locked; its passphrase is needed.')
  return failure ?? new DriveError('INTERNAL', 'The drive is not open.')
}
