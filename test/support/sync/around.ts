/** A node with some of its methods replaced. */
import type { IpfsNode } from '../../../src/node/index.js'

export function around(node: IpfsNode, replaced: Partial<IpfsNode>): IpfsNode {
  return {
    capabilities: node.capabilities,
    importBlocks: (blocks, options) => node.importBlocks(blocks, options),
    getBlock: (cid, options) => node.getBlock(cid, options),
    missing: (cids, options) => node.missing(cids, options),
    pin: (cid, options) => node.pin(cid, options),
    updatePin: (from, to, options) => node.updatePin(from, to, options),
    unpin: (cid, options) => node.unpin(cid, options),
    listPins: (options) => node.listPins(options),
    putName: (name, record, options) => node.putName(name, record, options),
    getName: (name, options) => node.getName(name, options),
    collectGarbage: (options) => node.collectGarbage(options),
    check: (options) => node.check(options),
    probe: (options) => node.probe(options),
    close: () => node.close(),
    ...replaced,
  }
}
