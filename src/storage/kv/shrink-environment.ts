/**
 * Shrinks the file of an environment when little of it is in use. LMDB reuses free pages but never returns them to the
 * disk, so a drive that once held much would keep a large file forever. The copy replaces the file in one rename, so a
 * crash leaves one or the other.
 */
import { existsSync } from 'node:fs'
import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { toWire, type Log } from '../../base/index.js'
import { syncDirectory } from '../../platform/index.js'
import { openNamed, openRoot, type Named, type Root } from './lmdb-database.js'

const MIB = 1024 * 1024
/** Smaller files are not copied. */
const LEAST_BYTES = 64 * MIB
/** The file is only copied if at most this share of it is in use. */
const MOST_USED = 1 / 4
/** The most bytes copied, because opening the drive waits for the copy. */
const MOST_COPIED_BYTES = 256 * MIB

export interface ShrinkOptions {
  readonly log: Log
  /** Default 64 MiB. */
  readonly leastBytes?: number
}

/** @param path directory of an environment that is not open. A failure is logged and leaves the file unchanged. */
export async function shrinkEnvironment(path: string, { log, leastBytes = LEAST_BYTES }: ShrinkOptions): Promise<void> {
  const file = join(path, 'data.mdb')
  const copy = `${path}.shrinking`
  await rm(copy, { recursive: true, force: true })
  if (!existsSync(file)) return
  const { size } = await stat(file)
  if (size < leastBytes) return
  try {
    if (!(await copyUsed(path, copy, size))) return
    const made = await open(join(copy, 'data.mdb'), 'r+')
    await made.sync().finally(() => made.close())
    await rename(join(copy, 'data.mdb'), file)
    syncDirectory(path)
    log.info('local data was compacted', { before: size, after: (await stat(file)).size })
  } catch (error) {
    log.warn('local data could not be compacted', { code: toWire(error).code })
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}

/** @returns false when too much is in use */
async function copyUsed(path: string, copy: string, size: number): Promise<boolean> {
  const root = openRoot(path, 2 * size)
  try {
    const before = usage(root)
    if (before.bytes > size * MOST_USED || before.bytes > MOST_COPIED_BYTES) return false
    await mkdir(copy, { mode: 0o700 })
    await root.backup(copy, true)
    const copied = openRoot(copy, 2 * size)
    try {
      if (usage(copied).rows !== before.rows) throw new Error('The copy has a different number of rows.')
    } finally {
      await copied.close()
    }
    return true
  } finally {
    await root.close()
  }
}

/** The statistics of a database in LMDB; missing in its types. */
interface Statistics {
  readonly pageSize: number
  readonly treeBranchPageCount: number
  readonly treeLeafPageCount: number
  readonly overflowPages: number
  readonly entryCount: number
}

/** Bytes of used pages, and rows, of all databases. */
function usage(root: Root): { bytes: number; rows: number } {
  const names = [...root.getKeys()].map((key) => Buffer.from(key).toString('utf8').replace(/\0$/, ''))
  let [bytes, rows] = [0, 0]
  for (const name of names) {
    const found = statistics(openNamed(root, name))
    bytes += (found.treeBranchPageCount + found.treeLeafPageCount + found.overflowPages) * found.pageSize
    rows += found.entryCount
  }
  return { bytes, rows }
}

function statistics(database: Named): Statistics {
  return database.getStats() as Statistics
}
