/**
 * The rows of the tree in the LMDB environment `meta`: record types, table names and sizes. Keys are in keys.ts, codecs
 * in *-record.ts.
 */
import type { PlainName } from '../base/index.js'
import type { TableOptions } from '../storage/kv/index.js'
import type { FileChunk, InodeAttributes, TreeRef } from '../model/index.js'

export { TYPE } from '../model/index.js'

/** A published content node. */
export type NodeRef = TreeRef

/**
 * One stored inode. Binary layout: fixed header, then optional parts; the codec is in inode-record.ts. Table `inodes`,
 * key BE64(ino).
 */
export interface InodeRecord extends InodeAttributes {
  readonly ino: number
  /** A parent directory (any one of them for a hard link); 0 for the root and for unlinked inodes that are open. */
  readonly parent: number
  /** Directories: the next unused readdir cookie. */
  readonly nextCookie: number
  /** The whole body of a small file (at most 2 KiB), or a symlink's target. */
  readonly inline: Uint8Array | undefined
  /** The published content node: a directory's entries, or a file's long chunk list. Loading and publishing set it. */
  readonly ref: NodeRef | undefined
  /**
   * Directories: the entries are not in `dentries` yet; they are loaded from `ref`. Files: the chunks are not in
   * `chunks` yet.
   */
  readonly unloaded: boolean
  /** Files: 4 KiB blocks below the size that hold no data. Absent: none. */
  readonly holes?: number
}

/** Table `dentries`, key BE64(parent) || HMAC-SHA-256(K_name, name)[0..15]. */
export interface DentryRecord {
  readonly name: PlainName
  readonly ino: number
  readonly type: number
  readonly cookie: number
}

/** Table `chunks`, key BE64(ino) || BE64(offset). */
export interface ChunkRecord extends FileChunk {
  /**
   * The commit sequence (see TABLES) at which this row was written. The row is published if this is at most the
   * published sequence.
   */
  readonly born: number
}

/**
 * Metadata tables of the LMDB environment `meta`, all sealed:
 * - `inodes`, `dentries`, `chunks` as above
 * - `pages`   BE64(ino) || BE64(page index): up to 4,096 bytes of staged file data that override the chunks
 * - `links`   BE64(ino) || BE64(parent) || nameHash[16]: one row per name, only for inodes with nlink > 1
 * - `ids`     fileId → BE64(ino), for inodes that several entries may name by fileId (nlink > 1)
 * - `foreign` fileId → BE64(ino), for inodes of other devices, whose ino cannot be derived from the fileId
 * - `dirty`   BE64(ino) → BE48(sequence): inodes changed since the last published commit (created, content, attributes,
 *             xattrs; for a directory also its entry list); removing an inode deletes its row
 * - `removed` BE64(counter) → content that the published version has and this tree does not (codec in row-records.ts):
 *             kind 0 `block`: a block that a deleted or rewritten chunk row used, with the `born` of that row;
 *             kind 1 `node`: the `ref` of a removed inode whose content was never loaded: its map and all content
 *                    below;
 *             kind 2 `map`: the `ref` of a removed inode whose content was loaded (directories, long chunk
 *                    lists): the map's own nodes;
 *             kind 3 `link`: the fileId of a removed inode that had several names: the published link table may
 *                    contain it
 * - `state`   name → value:
 *             `sequence` BE48: the open commit sequence;
 *             `published` BE48: the published one;
 *             `nextIno` BE64: no inode has this number or a higher one. While the drive is open it is greater than
 *                    needed; after a clean shutdown it is exact;
 *             `nextRemoved` BE64;
 *             `clean`: the last shutdown was clean;
 *             `orphan/` || BE64(ino): 1 for an orphan, an open inode without a name; 2 for one that never had a name,
 *                    which is removed when the drive is opened next;
 *             `parts` BE48(sequence) BE48(count): how many parts of that published commit are applied;
 *             `loading/` || BE64(ino) → name: a directory that is loaded up to that name.
 *
 * The commit sequence is a counter. Every commit of the environment increments it by one.
 */
export const TABLES = {
  inodes: 'inodes',
  dentries: 'dentries',
  chunks: 'chunks',
  pages: 'pages',
  links: 'links',
  ids: 'ids',
  foreign: 'foreign',
  dirty: 'dirty',
  removed: 'removed',
  state: 'state',
} as const

export const PAGE_BYTES = 4096

const PAGE_KEY_BYTES = 16

/** How a metadata table is opened. */
export function tableOptions(name: string): TableOptions {
  return name === TABLES.pages ? { sealed: true, keyBytes: PAGE_KEY_BYTES } : { sealed: true }
}
