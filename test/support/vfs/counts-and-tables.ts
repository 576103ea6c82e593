/** The counters of a drive beside what its tables say. */
import { readBe64 } from '../../../src/storage/kv/index.js'
import { decodeInode, TABLES, TYPE } from '../../../src/tree-state/index.js'
import { decodeDirty } from '../../../src/vfs/inodes/dirty-row.js'
import type { OpenDrive } from './drive.js'

/**
 * The counters that `counts` reports, and the same counted from the tables. They are equal after a commit with nothing
 * held.
 */
export async function countsAndTables(drive: OpenDrive): Promise<{ counted: object; inTables: object }> {
  const { dirtyInodes, staged, total, isPartial } = await drive.port.counts()
  const inTables = { dirtyInodes: 0, staged: { files: 0, bytes: 0 }, total: { files: 0, bytes: 0 }, isPartial: false }
  const rows = (table: string): Iterable<readonly [Uint8Array, Uint8Array]> =>
    drive.meta.table(table, { sealed: true }).range()
  for (const [, value] of rows(TABLES.dirty)) {
    const { isFile, unpublishedBytes } = decodeDirty(value)
    inTables.dirtyInodes++
    inTables.staged.files += isFile ? 1 : 0
    inTables.staged.bytes += unpublishedBytes
  }
  for (const [key, value] of rows(TABLES.inodes)) {
    const { mode, nlink, size, unloaded } = decodeInode(readBe64(key), value)
    if (mode >>> 12 === TYPE.DIRECTORY && unloaded) inTables.isPartial = true
    if (mode >>> 12 !== TYPE.FILE || nlink === 0) continue
    inTables.total.files++
    inTables.total.bytes += size
  }
  return { counted: { dirtyInodes, staged, total, isPartial }, inTables }
}
