/** Whether a version can be shown at all, before anything here is replaced by it. */
import { DriveError, isDriveError } from '../../base/index.js'
import { readDirectoryTable, type Commit, type FetchBlock } from '../../dag/index.js'

/**
 * Reads the first names of the root directory, and the root of the link table.
 * @throws NODE_ERROR if the node lacks them; errors of the node; CORRUPT
 */
export async function requireReadableRoot(
  { root, links }: Pick<Commit, 'root' | 'links'>,
  fetch: FetchBlock,
  signal?: AbortSignal,
): Promise<void> {
  try {
    if (root.content.kind === 'tree') {
      const options = { ...(signal && { signal }), onUnreadable: () => undefined }
      await readDirectoryTable(root.content.ref, fetch, options).next()
    }
    // Undecodable, it only costs the names that need it.
    if (links !== undefined) await fetch(links.digest, 'raw', signal)
  } catch (error) {
    if (!isDriveError(error, 'NOT_FOUND')) throw error
    throw new DriveError(
      'NODE_ERROR',
      'The node has the newest version of the drive, but not its root directory or its table of hard links. Nothing was changed here.',
      { cause: error, about: error.about },
    )
  }
}
