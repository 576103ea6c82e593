/** An inode's attributes as a directory entry, and back. */
import { TYPE, type ChunkRecord, type InodeRecord, type NodeRef } from '../tree-state/index.js'
import type { EntryRecord, FileChunk, TreeRef } from '../dag/index.js'

/** @param content what the entry points to @returns the entry of `record` with its own attributes */
export function entryOf(record: InodeRecord, content: EntryRecord['content']): EntryRecord {
  return {
    fileId: record.fileId,
    mode: record.mode,
    uid: record.uid,
    gid: record.gid,
    nlink: record.nlink,
    rdev: record.rdev,
    size: record.size,
    atimeSec: record.atimeSec,
    atimeNsec: record.atimeNsec,
    mtimeSec: record.mtimeSec,
    mtimeNsec: record.mtimeNsec,
    ctimeSec: record.ctimeSec,
    ctimeNsec: record.ctimeNsec,
    btimeSec: record.btimeSec,
    btimeNsec: record.btimeNsec,
    fixedChunks: record.fixedChunks,
    xattrs: record.xattrs,
    content,
  }
}

/** What a directory says of a hard-linked file: who it is. The rest is in the link table, so that a change touches only that. */
export function sharedEntryOf(record: Pick<InodeRecord, 'fileId' | 'mode'>): EntryRecord {
  return {
    fileId: record.fileId,
    mode: record.mode & S_IFMT,
    uid: 0,
    gid: 0,
    nlink: 0,
    rdev: 0,
    size: 0,
    atimeSec: 0,
    atimeNsec: 0,
    mtimeSec: 0,
    mtimeNsec: 0,
    ctimeSec: 0,
    ctimeNsec: 0,
    btimeSec: 0,
    btimeNsec: 0,
    fixedChunks: false,
    xattrs: [],
    content: { kind: 'shared' },
  }
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

export const typeOf = (record: Pick<InodeRecord, 'mode'>): number => (record.mode & S_IFMT) >> 12
export const isDirectory = (record: Pick<InodeRecord, 'mode'>): boolean => typeOf(record) === TYPE.DIRECTORY
export const isFile = (record: Pick<InodeRecord, 'mode'>): boolean => typeOf(record) === TYPE.FILE
/**
 * Directories name it without saying more, and its record is in the link table: several names, or one name that is in a directory
 * which was never loaded here (`parent` 0).
 */
export const isHardLinked = (record: Pick<InodeRecord, 'mode' | 'nlink' | 'parent'>): boolean =>
  !isDirectory(record) && (record.nlink > 1 || (record.nlink === 1 && record.parent === 0))

export function treeContent(ref: NodeRef | TreeRef | undefined): EntryRecord['content'] {
  return ref === undefined ? { kind: 'none' } : { kind: 'tree', ref }
}

/** The root directory's inode number. */
export const ROOT_INO = 1

const S_IFMT = 0o170000
