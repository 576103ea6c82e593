/**
 * Takes back what one opening of a block store made: a store that nothing was published to does not outlive it. What
 * was there before stays, and so does what others put there meanwhile.
 */
import { rmdir, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { syncDirectoryLater } from '../../platform/index.js'
import { removeStoreFiles, unlessFilled } from './remove-store.js'
import { systemErrorName } from '../embedded/store-error.js'

/** What an opening made. */
export interface MadeParts {
  folder: boolean
  lock: boolean
  /** With it, all other files of the store too. */
  marker: boolean
}

/** To be called while the store is locked, with its files closed. */
export async function unmakeStore(path: string, made: Readonly<MadeParts>): Promise<void> {
  if (made.marker) await removeStoreFiles(path)
  if (made.lock) await unlink(join(path, 'lock')).catch(unlessGone)
  if (!made.folder) return
  await rmdir(path).catch(unlessFilled)
  await syncDirectoryLater(dirname(path))
}

function unlessGone(error: unknown): void {
  if (systemErrorName(error) !== 'ENOENT') throw error
}
