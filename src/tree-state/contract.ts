/**
 * The tree's rows in the environment `meta`: record types, table names and sizes. Keys are in keys.ts, codecs in
 * *-record.ts.
 */
import type { PlainName } from '../base/index.js'
import type { FileChunk, InodeAttributes, TreeRef } from '../model/index.js'

export { TYPE } from '../model/index.js'

/** A published content node. */
export type NodeRef = TreeRef

/**
 * One inode as stored. Binary layout: fixed header, then optional parts; the codec is in inode-record.ts.
 * Table `inodes`, key BE64(ino).
 */
export interface InodeRecord extends InodeAttributes {
  readonly ino: number
  /** A parent directory (any of them for a hard link); 0 for the root and for unlinked-but-open inodes. */
  readonly parent: number
  /** Directories: the next cookie to give out. */
  readonly nextCookie: number
  /** The whole body of a small file (at most 2 KiB), or a symlink's target. */
  readonly inline: Uint8Array | undefined
  /**
   * The published content node: a directory's entries, or a file's long chunk list. Set by loading and by publishing.
   */
  readonly ref: NodeRef | undefined
  /** Directories: entries are not in `dentries` yet, load them from `ref`. Files: chunks are not in `chunks` yet. */
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
   * The commit sequence (see TABLES) during which this row was written; published when at most the published sequence.
   */
  readonly born: number
}

/**
 * Metadata tables of the environment `meta`, all sealed:
 * - `inodes`, `dentries`, `chunks` as above
 * - `pages`   BE64(ino) || BE64(page index): up to 4,096 bytes of staged file data that lies over the chunks
 * - `links`   BE64(ino) || BE64(parent) || nameHash[16]: one row a name, only for inodes with nlink > 1
 * - `ids`     fileId → BE64(ino), for inodes whose fileId another entry may name (nlink > 1)
 * - `foreign` fileId → BE64(ino), for inodes whose fileId does not tell the ino by itself: those that other
 *             devices made
 * - `dirty`   BE64(ino) → BE48(sequence): inodes changed since the last published commit (created, content, attributes,
 *             xattrs; for a directory also its entry list); rows of removed inodes vanish
 * - `removed` BE64(counter) → what the published version still has and this tree no longer (codec in row-records.ts):
 *             kind 0 `block`: a block that a chunk row no longer uses (every row deleted or rewritten, its own `born`);
 *             kind 1 `node`: the `ref` of a removed inode whose content was never loaded: its map and all it names;
 *             kind 2 `map`: the `ref` of a removed inode whose content was loaded (directories, long chunk
 *                    lists): the map's own nodes;
 *             kind 3 `link`: the fileId of a removed inode that had several names: the published link table may have it
 * - `state`   name → value: `sequence` BE48 (the open commit sequence), `published` BE48, `nextIno` BE64
 *             (no inode has that number or a higher one: beyond those in use while the drive is open, exact after a
 *             clean shutdown), `nextRemoved` BE64, `clean` (a clean shutdown), a row `orphan/` || BE64(ino) for every
 *             inode without a name that is still open, `parts` BE48(sequence) BE48(how many parts of that published
 *             commit are applied), and a row `loading/` || BE64(ino) → name for a directory that is loaded in part, up
 *             to that name
 * A commit sequence is a counter that grows by one with every commit of the environment.
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
