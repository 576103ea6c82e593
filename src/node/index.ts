/** IPFS nodes behind one contract: embedded and Kubo. */
export type {
  CacheFiles,
  CallOptions,
  CidText,
  ImportResult,
  IpfsNode,
  NodeBlock,
  NodeCapabilities,
  NodeStatus,
} from './contract.js'
export { finishRemoval, type LeftStore, openLeftStore } from './left-store/left-store.js'
export { forgottenFolderOf, type RemovedStore } from './left-store/remove-store.js'
export { authorizationOf } from './kubo/endpoint.js'
export { withAnySignal } from './any-signal.js'
export { capabilitiesOf, isOfThisMachine, listenerOf, listenerWarning, openNode, originOf } from './open-node.js'
export { DEFAULT_TIMEOUTS, type NodeTimeouts, type OpenNodeOptions } from './open-options.js'
export type { Listener } from './kubo/socket-tables.js'
