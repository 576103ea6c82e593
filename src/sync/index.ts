/** Publishing a drive to a node and opening it from there. */
export { inodeOf } from '../commits/index.js'
export {
  type CheckProgress,
  type CheckReport,
  type CheckFinding,
  type ScrubStatus,
  type FoundDrive,
  type KnownHead,
  type OpenedDrive,
  type PublishedVersion,
  type Sync,
  type SyncPhase,
  type SyncSettings,
  type SyncStatus,
  type FastForward,
  type Version,
} from './contract.js'
export type { Unconfirmed } from './check/contract.js'
export { LocalBlocks } from './fetch/local-blocks.js'
export { claimOpened } from './fetch/claim-opened.js'
export { type FindOptions, openExisting } from './fetch/open-existing.js'
export { beginTakeOver, finishTakeOver, isTakingOver, type TakeOverOptions } from './fetch/take-over.js'
export { openSync } from './sync.js'
