/**
 * The common part of wrappers: a node whose calls all pass through one function. Wrappers can be combined in any order.
 */
import type { CallOptions, IpfsNode, NodeBlock } from '../../../src/node/index.js'

export type NodeMethod = Exclude<keyof IpfsNode, 'abandon' | 'close' | 'capabilities'>

/** @param call makes the call; it may be called several times, or not at all */
export type Around = <T>(method: NodeMethod, call: () => Promise<T>, options: CallOptions | undefined) => Promise<T>

/** `close` is not wrapped. */
export function around(node: IpfsNode, run: Around): IpfsNode {
  return {
    capabilities: node.capabilities,
    importBlocks: (blocks, options) => run('importBlocks', () => node.importBlocks(blocks, options), options),
    getBlock: (cid, options) => run('getBlock', () => node.getBlock(cid, options), options),
    missing: (cids, options) => run('missing', () => node.missing(cids, options), options),
    pin: (cid, options) => run('pin', () => node.pin(cid, options), options),
    updatePin: (from, to, options) => run('updatePin', () => node.updatePin(from, to, options), options),
    unpin: (cid, options) => run('unpin', () => node.unpin(cid, options), options),
    listPins: (options) => run('listPins', () => node.listPins(options), options),
    putName: (name, record, options) => run('putName', () => node.putName(name, record, options), options),
    getName: (name, options) => run('getName', () => node.getName(name, options), options),
    collectGarbage: (options) => run('collectGarbage', () => node.collectGarbage(options), options),
    check: (options) => run('check', () => node.check(options), options),
    probe: (options) => run('probe', () => node.probe(options), options),
    close: () => node.close(),
  }
}

export type BlockSource = AsyncIterable<NodeBlock> | Iterable<NodeBlock>

/** A generator is its own iterator and can be read once; an array can be read again. */
export function isReadableAgain(source: BlockSource): boolean {
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  return (iterator as unknown) !== source
}
