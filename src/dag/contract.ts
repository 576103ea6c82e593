/**
 * The contract of the DAG: how a tree, its versions and its visible pin tree become blocks. Pure: the only I/O is the
 * `fetch` that callers pass in. docs/FORMAT.md is the specification.
 */
import type { Digest } from '../base/index.js'
import type { FileChunk, InodeAttributes, TreeRef } from '../model/index.js'

export type { FileChunk, TreeRef } from '../model/index.js'

export interface Block {
  readonly digest: Digest
  readonly bytes: Uint8Array
  /** raw for sealed blocks, dag-pb for pin tree nodes. */
  readonly codec: 'raw' | 'dag-pb'
}

/** Fetch a block's bytes (verified); used by every reader here. */
export type FetchBlock = (digest: Digest, codec: 'raw' | 'dag-pb', signal?: AbortSignal) => Promise<Uint8Array>

/** The record of a file, directory or other object in a directory entry or in the link table. */
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
  /** Version roots (dag-pb digests) of the parent versions; empty for the first version. */
  readonly parents: readonly Digest[]
  readonly deviceSlot: number
  readonly deviceName: string
  readonly timeMs: number
  /** The root directory's own attributes; its content is a tree or none. */
  readonly root: EntryRecord
  /** Attributes of the root beyond the limit were left out while reading. Not stored. */
  readonly isRootCut?: true
  /** Hard-linked files: map fileId → EntryRecord. */
  readonly links: TreeRef | undefined
  /** Refcounts above one: map digest → number of references beyond the first. */
  readonly duplicates: TreeRef | undefined
  /** Digest of the pin tree's root node (dag-pb). */
  readonly forest: Digest
  /** Number of blocks in the pin tree. A restore uses it to show its size and progress. */
  readonly liveBlocks: number
}
