/** Serves a `Tree` to the kernel; finds and ends mounts. */
export type { FuseMount, LivingMount, MountEnd, MountOptions, TransportName, UnmountOptions } from './contract.js'
export type { SkippedOperation } from './holder/replay.js'
export { clearLogMark, markedSince, reserveLogMark } from './holder/log-mark.js'
export { countLogged } from './holder/count-logged.js'
export { SHARED_BYTES, SharedState } from './holder/shared-state.js'
export { driveAround, findMount, type MountEntry } from './mounts/mount-info.js'
export {
  mountTree,
  type MountTreeRequest,
  prepareTakeOver,
  takeOverTree,
  type TakeOverRequest,
} from './mounts/mount-tree.js'
export { notEmpty, requireNoMount } from './mounts/place.js'
export { showAgain } from './mounts/show-again.js'
export { clearStale, forceUnmount, isStale } from './mounts/stale.js'
export { hasFuseNative } from './transports/fuse-native-transport.js'
export { fuseAddonProblem, holderNative, type HolderNative } from './transports/native.js'
