/**
 * What the drive thread is told of published directories and chunk lists: a bounded page at a time, however long they
 * are.
 */
import type { PlainName } from '../base/index.js'
import type { ChunkRecord, InodeRecord, NodeRef } from './contract.js'

/** A child as a published directory describes it: everything `stat` needs, and where its content is. */
export interface RemoteChild {
  readonly name: PlainName
  /** `ino`, `parent` and `nextCookie` are 0: the drive thread assigns them. `unloaded` is set where `ref` is. */
  readonly record: InodeRecord
  /** A file's chunks when they are few; absent when `record.ref` names its list, or for other types. */
  readonly chunks: readonly Omit<ChunkRecord, 'born'>[] | undefined
}

export interface DirectoryPosition {
  readonly ref: NodeRef
  /** The last name seen; undefined at the beginning. */
  readonly after: PlainName | undefined
}

export interface DirectoryPage {
  readonly children: readonly RemoteChild[]
  readonly isLast: boolean
}

export interface ChunkPosition {
  readonly ref: NodeRef
  /** The offset of the last row seen; undefined at the beginning. */
  readonly after: number | undefined
}

export interface ChunkPage {
  readonly chunks: readonly Omit<ChunkRecord, 'born'>[]
  readonly isLast: boolean
}
