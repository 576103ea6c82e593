/** The parts of sync that a check uses. */
import type { Log, Random } from '../../base/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { Core } from '../../pipeline/index.js'
import type { EnvironmentReader } from '../../storage/kv/index.js'
import type { DrivePort } from '../../tree-state/index.js'
import type { DriveNames } from '../heads/drive-names.js'
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
  /** Publishes everything local. When it resolves, the node has confirmed its pin and its names. */
  readonly publish: (signal: AbortSignal) => Promise<void>
  readonly publisher: {
    /** Defined if another device is ahead. Then no version may be made of resealed blocks. */
    readonly newer: unknown
    /** Whether the node is not the configured one yet. Then its blocks must not make local copies evictable. */
    readonly isProvisional: boolean
    /** The node was found without something: the next publish asks it for the version first. */
    forgetHeld(): void
  }
}
