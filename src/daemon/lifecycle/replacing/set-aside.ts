/** Moves the files of a drive aside, so that the home has none. Nothing is deleted. */
import { mkdir, rename } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { syncDirectory, type DrivePaths } from '../../../platform/index.js'

/**
 * The drive and its node must be closed. If the home is one folder (`DAGDRIVE_HOME`), so is the new one, and the drive
 * can be opened there.
 * @param nowMs Clock.nowMs
 * @returns the folder with the drive's key
 */
export async function setAside(paths: DrivePaths, nowMs: number): Promise<string> {
  const name = `replaced-${new Date(nowMs).toISOString().replace(/[:.]/g, '-')}`
  // After a kill meanwhile, a home with the key opens an empty drive again: without the mark it may. A home without the
  // key has no drive. The configuration is moved after the key, because a key without it is an error.
  for (const path of [
    paths.publishedFile,
    paths.dataDirectory,
    paths.embeddedNodeDirectory,
    paths.keyFile,
    paths.configFile,
    paths.nodeKeyFile,
  ]) {
    const folder = join(dirname(path), name)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await rename(path, join(folder, basename(path))).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
    for (const changed of [folder, dirname(path)]) syncDirectory(changed)
  }
  return join(dirname(paths.keyFile), name)
}
