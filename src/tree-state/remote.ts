/** Pages of published directories and chunk lists for the drive thread. A page is bounded, however long the list is. */
import type { PlainName } from '../base/index.js'
import type { ChunkRecord, InodeRecord, NodeRef } from './contract.js'

/** A child in a published directory: everything `stat` needs, and the reference to its content. */
export interface RemoteChild {
  readonly name: PlainName
  /** `ino`, `parent` and `nextCookie` are 0: the drive thread assigns them. `unloaded` is set where `ref` is. */
  readonly record: InodeRecord
  /** The chunks of a file with few chunks. Absent when `record.ref` refers to its list, and for other types. */
  readonly chunks: readonly Omit<ChunkRecord, 'born'>[] | undefined
  /** The entry refers to the link table: other entries may name the same file, whatever its link count. */
  readonly isShared?: boolean
}

export interface DirectoryPosition {
  readonly ref: NodeRef
  /** The last name seen; undefined at the beginning. */
  readonly after: PlainName | undefined
}

export interface DirectoryPage {
  readonly children: readonly RemoteChild[]
  readonly isLast: boolean
  /** The last name that was read, also one whose entry is not shown. Without it: that of the last child. */
  readonly upTo?: PlainName
  /** The page has entries that cannot be read, which are not shown. */
  readonly hasUnreadable?: boolean
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
