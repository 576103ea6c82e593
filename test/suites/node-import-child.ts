/**
 * Imports and pins versions into a block store until it is killed. Prints the root of each version once it is pinned.
 */
import { silentLog, systemClock, systemRandom } from '../../src/base/index.js'
import { allocatePages } from '../../src/platform/index.js'
import { openNode } from '../../src/node/index.js'
import { pinTreeOver, rawBlocks } from './node-material.js'

const [address, firstSeed] = process.argv.slice(2)
const node = await openNode(address!, {
  allocatePages,
  dataDirectory: '/nonexistent',
  clock: systemClock,
  log: silentLog,
  random: systemRandom,
})
let before = (await node.listPins())[0]?.cid
for (let seed = Number(firstSeed); ; seed++) {
  const forest = pinTreeOver(rawBlocks(40, 20_000, seed))
  await node.importBlocks(forest.blocks, { roots: [forest.root] })
  if (before === undefined) await node.pin(forest.root, { name: 'killed' })
  else await node.updatePin(before, forest.root)
  for (const { cid } of await node.listPins()) if (cid !== forest.root) await node.unpin(cid)
  before = forest.root
  process.stdout.write(`${seed} ${forest.root}\n`)
}
