export * from './contract.js'
export { openNode, DEFAULT_TIMEOUTS, type NodeTimeouts, type OpenNodeOptions } from './open-node.js'
