/** IPFS nodes behind one contract: embedded and Kubo. */
export type {
  CallOptions,
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
export type { Listener } from './kubo/listener.js'
