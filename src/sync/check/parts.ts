/** What a check works with. */
import type { Log, Random } from '../../base/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { Core } from '../../pipeline/index.js'
import type { EnvironmentReader } from '../../storage/kv/index.js'
import type { DrivePort } from '../../tree-state/index.js'
import type { DriveNames } from '../heads/heads.js'
import type { SyncState } from '../state/sync-state.js'

export interface CheckParts {
  readonly state: SyncState
  readonly port: Pick<
    DrivePort,
    | 'flush'
    | 'readBlocks'
    | 'adopt'
    | 'giveBack'
    | 'keepBlocks'
    | 'restoreBlocks'
    | 'replaceBlocks'
    | 'markChanged'
    | 'nextEvicted'
  >
  readonly meta: EnvironmentReader
  readonly node: Pick<IpfsNode, 'getBlock' | 'probe' | 'importBlocks' | 'missing' | 'listPins' | 'getName'>
  readonly names: DriveNames
  readonly deviceSlot: number
  readonly core: Core
  readonly random: Random
  readonly log: Log
  /** Everything here is published when it resolves, under a pin and names that the node has. */
  readonly publish: (signal: AbortSignal) => Promise<void>
  readonly publisher: {
    /** Another device went on from the version here: no version may be made of what is sealed anew. */
    readonly newer: unknown
    /** The node is not the configured one yet: what it holds says nothing of what may leave this machine. */
    readonly isProvisional: boolean
  }
}
