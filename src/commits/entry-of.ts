/** Converts inode records to directory entries and back. */
import { AttributeRecord, bareAttributes, isDirectory, S_IFMT } from '../model/index.js'
import type { ChunkRecord, InodeRecord } from '../tree-state/index.js'
import type { EntryRecord, FileChunk, TreeRef } from '../dag/index.js'

/** @param content what the entry points to @returns the entry of `record` with its own attributes */
export function entryRecordOf(record: InodeRecord, content: EntryRecord['content']): EntryRecord {
  return Object.assign(new AttributeRecord(record), { content })
}

/**
 * The directory entry of a hard-linked file holds only its identity. The rest is in the link table, so a change touches
 * only that table.
 */
export function sharedEntryOf(record: Pick<InodeRecord, 'fileId' | 'mode'>): EntryRecord {
  return Object.assign(bareAttributes(record.fileId, record.mode & S_IFMT), { content: { kind: 'shared' } as const })
}

/** An entry as an inode record. The drive thread fills in the fields listed at `RemoteChild`. */
export function inodeOf(entry: EntryRecord): InodeRecord {
  const { content } = entry
  return Object.assign(new AttributeRecord(entry), {
    ino: 0,
    parent: 0,
    nextCookie: 0,
    inline: content.kind === 'inline' ? content.bytes : undefined,
    ref: content.kind === 'tree' ? content.ref : undefined,
    unloaded: content.kind === 'tree',
  })
}

export function chunkOf(row: Omit<ChunkRecord, 'born'>): FileChunk {
  return { offset: row.offset, length: row.length, skip: row.skip, digest: row.digest, key: row.key }
}

/**
 * Whether its record is in the link table: the file has several names, or one name in a directory that was never loaded
 * on this machine (`parent` 0).
 */
export const isHardLinked = (record: Pick<InodeRecord, 'mode' | 'nlink' | 'parent'>): boolean =>
  !isDirectory(record) && (record.nlink > 1 || (record.nlink === 1 && record.parent === 0))

export function treeContent(ref: TreeRef | undefined): EntryRecord['content'] {
  return ref === undefined ? { kind: 'none' } : { kind: 'tree', ref }
}
