/** Staging at the end of a mount. */
import { isDriveError } from '../../base/index.js'
import type { Drive } from '../lifecycle/drive.js'

/**
 * No program has changed anything through a read-only mount, so it ends although the disk is full.
 * @returns a function that makes everything `staged`, and says whether it did
 */
export function stagingBeforeUnmount(
  { flush, mounts }: Pick<Drive, 'flush' | 'mounts'>,
  directories: readonly string[],
): () => Promise<boolean> {
  const ending = mounts.filter(({ directory }) => directories.includes(directory))
  const isReadOnly = ending.length > 0 && ending.every(({ readOnly }) => readOnly)
  return async () => {
    try {
      await flush()
      return true
    } catch (error) {
      if (!isReadOnly || !isDriveError(error, 'NO_SPACE')) throw error
      return false
    }
  }
}
