/** Every operation of a node, called once, for tests of what a node may answer. */
import { systemClock } from '../../../src/base/index.js'
import { publicKeyOfSeed } from '../../../src/crypto/index.js'
import { cidOf, makeNameRecord, nameOfKey } from '../../../src/dag/index.js'
import { type IpfsNode } from '../../../src/node/index.js'

const CID = cidOf(Buffer.alloc(32, 1), 'dag-pb')

/** The answers, by operation. */
export function everyCall(node: IpfsNode): Readonly<Record<string, Promise<unknown>>> {
  const key = new Uint8Array(32)
  const name = nameOfKey(publicKeyOfSeed(key))
  const record = makeNameRecord({ cid: CID, sequence: 1, validUntilMs: systemClock.nowMs() + 1e9, ttlMs: 1000 }, key)
  const to = cidOf(Buffer.alloc(32, 2), 'dag-pb')
  return {
    check: node.check(),
    getBlock: node.getBlock(CID),
    missing: node.missing([CID]),
    getName: node.getName(name),
    putName: node.putName(name, record),
    pin: node.pin(CID, { name: 'x' }),
    updatePin: node.updatePin(CID, to),
    samePin: node.updatePin(CID, CID),
    unpin: node.unpin(CID),
    listPins: node.listPins(),
    importBlocks: node.importBlocks([], { roots: [] }),
    collectGarbage: node.collectGarbage(),
  }
}
