/** Whether another user can exchange what is in a folder: every folder above it counts, up to the root. */
import { lstatSync } from 'node:fs'
import { dirname } from 'node:path'

const WRITTEN_BY_OTHERS = 0o022
const STICKY = 0o1000

/**
 * @param folder a real path, without links
 * @param uid of the user who runs what is in it
 */
export function isPrivatePlace(folder: string, uid: number | undefined): boolean {
  const { uid: owner, mode } = lstatSync(folder)
  if (owner !== 0 && owner !== uid) return false
  // In a sticky folder, others cannot exchange what is of this user or of root, and all below was checked to be.
  if ((mode & WRITTEN_BY_OTHERS) !== 0 && (mode & STICKY) === 0) return false
  return folder === dirname(folder) || isPrivatePlace(dirname(folder), uid)
}
