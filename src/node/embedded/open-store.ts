/** Opens or makes the directory of a block store: marker, lock, index, segments. */
import { access, mkdir, open, readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DriveError, type Random } from '../../base/index.js'
import { BlockIndex } from './block-index.js'
import { DiskSpace } from './disk-space.js'
import { Segments, syncDirectory } from './segments.js'
import { errnoOf, storeError } from './store-error.js'
import { lockStore } from './store-lock.js'

/** First line of the marker file; the number grows when an older program could no longer read the store. */
const FORMAT = 'dagdrive block store, format 1'

export interface OpenStoreOptions {
  readonly random: Random
  /** Of dagdrive, for the status. */
  readonly version?: string | undefined
  /** Memory that begins on a page, or undefined where there is none; for direct writes. */
  readonly allocatePages?: ((bytes: number) => Buffer | undefined) | undefined
}

export interface OpenStore {
  readonly index: BlockIndex
  readonly segments: Segments
  readonly space: DiskSpace
  /** Throws when the disk is gone or the store may not be used any more. */
  probe(): Promise<void>
  close(): Promise<void>
}

export async function openStore(path: string, options: OpenStoreOptions): Promise<OpenStore> {
  try {
    await makeDirectory(path)
    const lock = await lockStore(path, options.random)
    try {
      await checkMarker(path)
      const segmentDirectory = join(path, 'segments')
      await mkdir(segmentDirectory, { recursive: true, mode: 0o700 })
      const segments = await Segments.open(segmentDirectory, options.allocatePages)
      const index = new BlockIndex(path)
      const space = new DiskSpace(path)
      await space.refill()
      await syncDirectory(path)
      return {
        index,
        segments,
        space,
        probe: () => access(segmentDirectory),
        close: async () => {
          await segments.close()
          await index.close()
          await lock.release()
        },
      }
    } catch (error) {
      await lock.release()
      throw error
    }
  } catch (error) {
    throw storeError(error, path)
  }
}

/** Only the last folder is made: a missing parent is most likely a disk that is not mounted. */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 })
    await syncDirectory(dirname(path))
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
  }
}

async function checkMarker(path: string): Promise<void> {
  const marker = join(path, 'dagdrive-store')
  const text = await readFile(marker, 'utf8').catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  })
  if (text?.split('\n')[0] === FORMAT) return
  if (text !== undefined && text.length > 0) {
    throw new DriveError('INVALID', 'This block store was made by another version of dagdrive.', { about: { path } })
  }
  const foreign = (await readdir(path)).filter((name) => name !== 'dagdrive-store' && !name.startsWith('lock'))
  if (foreign.length > 0) {
    throw new DriveError('INVALID', 'That folder holds other files; a block store needs a folder of its own.', {
      about: { path },
    })
  }
  const file = await open(marker, 'w', 0o600)
  try {
    await file.writeFile(`${FORMAT}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
}
