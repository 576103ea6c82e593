/** Ends a mount in any state, also one whose name was detached (`umount -l`). Programs that use it get errors. */
import { isDriveError } from '../../base/index.js'
import { forceUnmount } from '../../fuse/index.js'
import type { DriveWorker } from '../drive-thread/drive-worker.js'

/** @throws NOT_PERMITTED */
export async function endByForce(directory: string, { thread }: Pick<DriveWorker, 'thread'>): Promise<void> {
  await forceUnmount(directory).catch(async (error: unknown) => {
    if (!isDriveError(error, 'NOT_MOUNTED')) throw error
    await thread.abort(directory)
  })
}
