/** A child as a published directory describes it: everything `stat` needs, and where its content is. */
import type { PlainName } from '../base/index.js'
import type { ChunkRecord, InodeRecord } from './contract.js'

export interface RemoteChild {
  readonly name: PlainName
  /** `ino`, `parent` and `nextCookie` are 0: the drive thread assigns them. `unloaded` is set where `ref` is. */
  readonly record: InodeRecord
  /** A file's chunks when they are few; absent when `record.ref` names its list, or for other types. */
  readonly chunks: readonly Omit<ChunkRecord, 'born'>[] | undefined
}
