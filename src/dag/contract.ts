/**
 * The contract of the DAG: how a tree, its versions and its visible pin forest become blocks. Pure: no I/O but the
 * `fetch` it is given. docs/FORMAT.md is the binding description.
 */
import type { Digest } from '../base/index.js'
import type { FileChunk, InodeAttributes, TreeRef } from '../model/index.js'

export type { FileChunk, TreeRef } from '../model/index.js'

export interface Block {
  readonly digest: Digest
  readonly bytes: Uint8Array
  /** raw for sealed blocks, dag-pb for forest nodes. */
  readonly codec: 'raw' | 'dag-pb'
}

/** Fetch a block's bytes (verified); used by every reader here. */
export type FetchBlock = (digest: Digest, codec: 'raw' | 'dag-pb', signal?: AbortSignal) => Promise<Uint8Array>

/** What a directory entry (and the link table) says of a file, directory or other object. */
export interface EntryRecord extends InodeAttributes {
  /**
   * Exactly one kind of content. `none`: FIFO, socket, device, empty file. `shared`: a hard link; the record is in the
   * link table.
   */
  readonly content:
    | { readonly kind: 'none' }
    | { readonly kind: 'inline'; readonly bytes: Uint8Array }
    | { readonly kind: 'chunks'; readonly chunks: readonly FileChunk[] }
    | { readonly kind: 'tree'; readonly ref: TreeRef }
    | { readonly kind: 'shared' }
}

/** One published version. Sealed under the super key and signed by the device. */
export interface Commit {
  readonly version: 1
  readonly driveId: Uint8Array
  /** 1 + the greatest height among the parents. */
  readonly height: number
  /** Version roots (dag-pb digests) this one descends from; empty for the first. */
  readonly parents: readonly Digest[]
  readonly deviceSlot: number
  readonly deviceName: string
  readonly timeMs: number
  /** The root directory's own attributes; its content is a tree or none. */
  readonly root: EntryRecord
  /** Hard-linked files: map fileId → EntryRecord. */
  readonly links: TreeRef | undefined
  /** Blocks referred to more than once: map digest → extra uses. */
  readonly duplicates: TreeRef | undefined
  /** Digest of the forest's root node (dag-pb). */
  readonly forest: Digest
  /** Blocks in the forest, for progress and sizing of a restore. */
  readonly liveBlocks: number
}
