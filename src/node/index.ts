/** IPFS nodes behind one contract: embedded, Kubo, and what wraps them. */
export type {
  CallOptions,
  CidOf,
  CidText,
  ImportResult,
  IpfsNode,
  NodeBlock,
  NodeCapabilities,
  NodeStatus,
} from './contract.js'
export {
  DEFAULT_TIMEOUTS,
  type NodeTimeouts,
  openNode,
  capabilitiesOf,
  originOf,
  listenerOf,
  type OpenNodeOptions,
} from './open-node.js'
export { counted, type NodeCounts } from './wrappers/counted.js'
export { type FaultRates, faulty } from './wrappers/faulty.js'
export { limited, type Limits } from './wrappers/limited.js'
export { retrying, type RetryingOptions } from './wrappers/retrying.js'
export type { Listener } from './kubo/listener.js'
