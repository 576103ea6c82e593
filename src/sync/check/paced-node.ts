/** Reads from the node one block at a time, at a bounded number of bytes a second. */
import { BoundedQueue, sleep, type Clock } from '../../base/index.js'
import type { CheckParts } from './parts.js'

type CheckedNode = CheckParts['node']

/** The pause follows each read, before the bytes are returned. */
export function pacedNode(node: CheckedNode, bytesPerSecond: number, clock: Pick<Clock, 'after'>): CheckedNode {
  const queue = new BoundedQueue(1)
  return {
    getBlock: (cid, options = {}) =>
      queue.run(async () => {
        const bytes = await node.getBlock(cid, options)
        await sleep(Math.ceil((bytes.length / bytesPerSecond) * 1000), options.signal, clock)
        return bytes
      }, options),
    probe: (options) => node.probe(options),
    importBlocks: (blocks, options) => node.importBlocks(blocks, options),
    missing: (cids, options) => node.missing(cids, options),
    listPins: (options) => node.listPins(options),
    getName: (name, options) => node.getName(name, options),
  }
}
