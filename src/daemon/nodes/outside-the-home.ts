/**
 * A node must not lie among the files of a home: `node forget` and `--replace-empty` remove and move folders there. The
 * embedded store has its own place and its own address.
 */
import { DriveError } from '../../base/index.js'
import { forgottenFolderOf } from '../../node/index.js'
import type { DrivePaths } from '../../platform/index.js'
import { doFoldersOverlap, nodeFolderOf } from './overlapping-folders.js'

/**
 * @param address of a node
 * @throws INVALID for a folder that is, contains or lies within one of the home's folders
 */
export async function requireOutsideHome(
  address: string,
  { directories, dataDirectory, embeddedNodeDirectory }: HomeFolders,
): Promise<void> {
  const folder = nodeFolderOf(address)
  if (folder === undefined) return
  const own = [...directories, dataDirectory, embeddedNodeDirectory, forgottenFolderOf(embeddedNodeDirectory)]
  for (const path of own) {
    if (!(await doFoldersOverlap(folder, path))) continue
    throw new DriveError(
      'INVALID',
      `That folder is among the drive's own files in ${path}, which are changed and removed by commands. ` +
        'Choose a folder outside; the address `embedded` is the store in the home.',
      { about: { where: address } },
    )
  }
}

/** The folders of a home. */
export type HomeFolders = Pick<DrivePaths, 'directories' | 'dataDirectory' | 'embeddedNodeDirectory'>
