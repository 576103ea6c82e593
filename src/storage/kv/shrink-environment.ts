/**
 * Makes the file of an environment small again when little of it is in use. LMDB reuses pages that became free, and
 * never gives them back: a drive that once held much would keep the file for ever. The copy takes the place of the file
 * in one rename, so a crash leaves the one or the other.
 */
import { existsSync } from 'node:fs'
import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { toWire, type Log } from '../../base/index.js'
import { syncDirectory } from '../../platform/index.js'
import { openNamed, openRoot, type Named, type Root } from './lmdb-database.js'

const MIB = 1024 * 1024
/** Smaller files are left alone. */
const LEAST_BYTES = 64 * MIB
/** At most this share of the file is in use. */
const MOST_USED = 1 / 4
/** More is not copied: opening the drive waits for it. */
const MOST_COPIED_BYTES = 256 * MIB

export interface ShrinkOptions {
  readonly log: Log
  /** 64 MiB unless given. */
  readonly leastBytes?: number
}

/** @param path directory of an environment that nobody has open. A failure is logged and leaves the file as it is. */
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
    log.info('local data takes less of the disk', { before: size, after: (await stat(file)).size })
  } catch (error) {
    log.warn('local data was not made smaller', { code: toWire(error).code })
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
      if (usage(copied).rows !== before.rows) throw new Error('The copy has other rows.')
    } finally {
      await copied.close()
    }
    return true
  } finally {
    await root.close()
  }
}

/** What LMDB says of a database; missing in its types. */
interface Statistics {
  readonly pageSize: number
  readonly treeBranchPageCount: number
  readonly treeLeafPageCount: number
  readonly overflowPages: number
  readonly entryCount: number
}

/** Bytes of pages in use, and rows, of all databases. */
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
