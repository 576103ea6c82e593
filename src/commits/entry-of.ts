/** An inode's attributes as a directory entry, and back. */
import { inodeAttributesOf, bareAttributes, isDirectory, S_IFMT } from '../model/index.js'
import type { ChunkRecord, InodeRecord } from '../tree-state/index.js'
import type { EntryRecord, FileChunk, TreeRef } from '../dag/index.js'

/** @param content what the entry points to @returns the entry of `record` with its own attributes */
export function entryRecordOf(record: InodeRecord, content: EntryRecord['content']): EntryRecord {
  return { ...inodeAttributesOf(record), content }
}

/**
 * What a directory says of a hard-linked file: who it is. The rest is in the link table, so that a change touches only
 * that.
 */
export function sharedEntryOf(record: Pick<InodeRecord, 'fileId' | 'mode'>): EntryRecord {
  return { ...bareAttributes(record.fileId, record.mode & S_IFMT), content: { kind: 'shared' } }
}

/** An entry as the drive thread stores it; see `RemoteChild` for what is left to it. */
export function inodeOf(entry: EntryRecord): InodeRecord {
  const { content, ...attributes } = entry
  return {
    ...attributes,
    ino: 0,
    parent: 0,
    nextCookie: 0,
    inline: content.kind === 'inline' ? content.bytes : undefined,
    ref: content.kind === 'tree' ? content.ref : undefined,
    unloaded: content.kind === 'tree',
  }
}

export function chunkOf(row: Omit<ChunkRecord, 'born'>): FileChunk {
  return { offset: row.offset, length: row.length, skip: row.skip, digest: row.digest, key: row.key }
}

/**
 * Directories name it without saying more, and its record is in the link table: several names, or one name that is in a
 * directory which was never loaded here (`parent` 0).
 */
export const isHardLinked = (record: Pick<InodeRecord, 'mode' | 'nlink' | 'parent'>): boolean =>
  !isDirectory(record) && (record.nlink > 1 || (record.nlink === 1 && record.parent === 0))

export function treeContent(ref: TreeRef | undefined): EntryRecord['content'] {
  return ref === undefined ? { kind: 'none' } : { kind: 'tree', ref }
}
