/**
 * The mark, in the folder of local data, that a closed drive has no change that is not published. It can be read
 * without the key, so commands can say it of a locked drive. It does not exist while a drive is open.
 */
import { unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { toWire, type Log } from '../../../base/index.js'
import { readHomeFile, syncDirectory, writePrivateFile } from '../../../platform/index.js'
import type { DrivePort } from '../../../tree-state/index.js'

/** @param directory of the local data @returns false: there may be changes */
export async function isMarkedAllPublished(directory: string): Promise<boolean> {
  return (await readHomeFile(fileIn(directory)).catch(() => undefined)) !== undefined
}

/** Durable: from now on there may be changes. */
export async function unmarkAllPublished(directory: string): Promise<void> {
  try {
    await unlink(fileIn(directory))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  syncDirectory(directory)
}

/**
 * Called while the drive closes, when nothing changes it any more. A failure is logged: then it is not known.
 * @param port undefined: the tree is not whole
 */
export async function markIfAllPublished(
  directory: string,
  port: Pick<DrivePort, 'counts'> | undefined,
  log: Log,
): Promise<void> {
  try {
    const counts = await port?.counts()
    if (counts === undefined || counts.dirtyInodes + counts.held.files + counts.staged.files > 0) return
    await writePrivateFile(fileIn(directory), 'Nothing here was unpublished when the drive was closed.\n')
  } catch (error) {
    log.warn('that everything is published could not be noted', { code: toWire(error).code })
  }
}

const fileIn = (directory: string): string => join(directory, 'all-published')
