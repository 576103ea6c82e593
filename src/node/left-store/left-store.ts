/**
 * The block store that a drive left when it moved to another node: what it keeps, for the check that nothing of it is
 * needed, and its removal. It is locked meanwhile, so no other program uses it.
 */
import { lstat } from 'node:fs/promises'
import { DriveError } from '../../base/index.js'
import { parseCid } from '../../dag/index.js'
import type { CidText } from '../contract.js'
import { BlockSource } from '../embedded/block-source.js'
import { openStore } from '../embedded/open-store.js'
import { removeRenamed, renameForRemoval, type RemovedStore } from './remove-store.js'
import { storeError, systemErrorName } from '../embedded/store-error.js'

/** Close it, or remove it, which closes it too. */
export interface LeftStore {
  /** Roots of the versions it keeps. */
  readonly pins: readonly CidText[]
  /** Its heads: name records, as they were stored. */
  readonly names: ReadonlyMap<CidText, Uint8Array>
  /** See `IpfsNode.getBlock`. */
  getBlock(cid: CidText): Promise<Uint8Array>
  close(): Promise<void>
  remove(): Promise<RemovedStore>
}

/**
 * @param path of a store in the drive's own data
 * @returns undefined when there is none
 * @throws LOCKED when a program uses it, INVALID when its folder is a link, NODE_ERROR when it lost its list of heads
 */
export async function openLeftStore(path: string): Promise<LeftStore | undefined> {
  const found = await lstat(path).catch((error: unknown) => {
    if (systemErrorName(error) !== 'ENOENT') throw error
  })
  if (found === undefined) return undefined
  if (!found.isDirectory())
    throw new DriveError(
      'INVALID',
      `${path} is a link or a file, not the folder of a block store. Nothing was removed.`,
      {
        about: { where: path },
      },
    )
  const opened = await openStore(path, { isOfDrive: true, mustExist: true })
  const { index, segments } = opened
  const close = (): Promise<void> => opened.close()
  const source = new BlockSource(index, segments)
  if (index.areRootsIncomplete) {
    await close()
    throw new DriveError(
      'NODE_ERROR',
      'The block store is damaged: it does not know any more which versions it keeps. Nothing was removed.',
      { about: { where: path } },
    )
  }
  return {
    pins: index.pins().map(({ cid }) => cid),
    names: index.records(),
    async getBlock(cid) {
      try {
        return await source.read(parseCid(cid))
      } catch (error) {
        throw storeError(error, path)
      }
    },
    close,
    async remove() {
      await renameForRemoval(path).finally(close)
      return (await removeRenamed(path))!
    },
  }
}

/** Finishes a removal that was interrupted. @returns undefined when none was */
export function finishRemoval(path: string): Promise<RemovedStore | undefined> {
  return removeRenamed(path)
}
