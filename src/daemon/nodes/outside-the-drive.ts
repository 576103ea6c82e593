/** A node must not lie in the drive it is for: it would hold the only copy of what it itself is made of. */
import { realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { MountReport } from '../../api/index.js'
import { DriveError } from '../../base/index.js'
import { nodeFolderOf } from './overlapping-folders.js'

/**
 * INVALID for a folder on one of these mounts, however its path leads there.
 * @param address of a node
 */
export async function requireOutside(address: string, mounts: readonly MountReport[]): Promise<void> {
  const folder = nodeFolderOf(address)
  if (mounts.length === 0 || folder === undefined) return
  const device = await deviceOf(folder)
  for (const { directory } of mounts) {
    const own = await stat(directory).catch(() => undefined) // it has just ended
    if (own === undefined || own.dev !== device) continue
    throw new DriveError(
      'INVALID',
      'That folder is in the drive itself, so it would be no copy at all: what is lost with the drive is lost there too. Choose a folder outside.',
      { about: { where: address } },
    )
  }
}

/** Of the folder, or of the nearest one above it that is there. */
async function deviceOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(await realpath(path))).dev
  } catch {
    // Not made yet, or not to be looked into.
    return dirname(path) === path ? undefined : deviceOf(dirname(path))
  }
}
