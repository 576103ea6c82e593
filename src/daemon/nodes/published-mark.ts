/**
 * The mark that this drive was published, beside its key: it outlives the local data. Without those, and with a
 * node that knows no drive, the key alone looks as if nothing had ever been published, and an empty drive would
 * take the names of a full one.
 */
import { existsSync } from 'node:fs'
import { unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { toWire, type Log } from '../../base/index.js'
import { readHomeFile, syncDirectory, writePrivateFile, type DrivePaths } from '../../platform/index.js'
import type { Sync } from '../../sync/index.js'

export async function isMarkedPublished(file: string): Promise<boolean> {
  return (await readHomeFile(file)) !== undefined
}

/** Durable: an empty drive was asked for. */
export async function unmarkPublished(file: string): Promise<void> {
  if (!(await isMarkedPublished(file))) return
  await unlink(file)
  syncDirectory(dirname(file))
}

/**
 * Sets the mark, durably, as soon as there is a published version; tried again with the next status after a
 * failure.
 */
export function markWhenPublished(sync: Pick<Sync, 'status' | 'onChange'>, file: string, log: Log): void {
  let state: 'open' | 'marking' | 'done' = 'open'
  const look = (): void => {
    if (state !== 'open' || sync.status().published === undefined) return
    state = 'marking'
    mark(file).then(
      () => (state = 'done'),
      (error: unknown) => {
        state = 'open'
        log.warn('that the drive was published could not be noted beside its key', { code: toWire(error).code })
      },
    )
  }
  sync.onChange(look)
  look()
}

async function mark(file: string): Promise<void> {
  if (await isMarkedPublished(file)) return
  await writePrivateFile(file, 'This drive was published. Without this file an empty one could take its place.\n')
}

/** If the disk of a block store is not connected, an empty store must not be created in its place and published to. */
export async function storeMustExist(
  nodeUrl: string,
  { dataDirectory, publishedFile }: Pick<DrivePaths, 'dataDirectory' | 'publishedFile'>,
): Promise<boolean> {
  return /^file:/i.test(nodeUrl) && existsSync(join(dataDirectory, 'meta')) && (await isMarkedPublished(publishedFile))
}
