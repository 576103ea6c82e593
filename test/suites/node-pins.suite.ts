/** The part of the contract of nodes about pins, and about the garbage that no pin reaches. */
import { failsWith } from './fails-with.js'
import { pinTreeOver, rawBlocks } from './node-material.js'
import type { Behaves } from './node.suite.js'

/** Declares its tests. */
export function nodePinsSuite(behaves: Behaves): void {
  behaves('one named recursive pin holds a version', async (t, node, seed) => {
    const forest = pinTreeOver(rawBlocks(20, 200, seed))
    await node.importBlocks(forest.blocks, { roots: [forest.root] })
    await node.pin(forest.root, { name: `drive ${seed}` })
    await node.pin(forest.root, { name: `drive ${seed}` })
    const pins = await node.listPins()
    t.deepEqual(
      pins.filter((pin) => pin.name === `drive ${seed}`),
      [{ cid: forest.root, name: `drive ${seed}` }],
    )
    await node.unpin(forest.root)
    await node.unpin(forest.root)
    t.false((await node.listPins()).some((pin) => pin.cid === forest.root))
  })

  behaves('a version with a missing block is not pinned', async (t, node, seed) => {
    const forest = pinTreeOver(rawBlocks(20, 200, seed))
    const hole = forest.leaves[7]!.cid
    await node.importBlocks(
      forest.blocks.filter((block) => block.cid !== hole),
      { roots: [forest.root] },
    )
    await failsWith(t, ['NODE_ERROR'], node.pin(forest.root, { name: 'holed' }))
    t.false((await node.listPins()).some((pin) => pin.cid === forest.root))
  })

  behaves(
    'S-030 updatePin adds a pin of the same name and keeps the old one; repeating it changes nothing',
    async (t, node, seed) => {
      const leaves = rawBlocks(40, 200, seed)
      const before = pinTreeOver(leaves)
      const after = pinTreeOver([...leaves.slice(0, 30), ...rawBlocks(12, 200, seed + 500)])
      await node.importBlocks([...before.blocks, ...after.blocks], { roots: [after.root] })
      await node.pin(before.root, { name: `moved ${seed}` })
      await node.updatePin(before.root, after.root)
      await node.updatePin(before.root, after.root)
      const pins = (await node.listPins()).filter((pin) => pin.cid === before.root || pin.cid === after.root)
      t.deepEqual(
        pins.map(({ cid, name }) => `${cid} ${name}`).sort(),
        [before.root, after.root].map((cid) => `${cid} moved ${seed}`).sort(),
      )
      await node.updatePin(after.root, after.root)
      await node.unpin(before.root)
      await node.updatePin(before.root, after.root)
      t.true((await node.listPins()).some(({ cid }) => cid === after.root))
      await node.unpin(after.root)
    },
  )

  behaves('updatePin to a version with a missing block fails and keeps the old pin', async (t, node, seed) => {
    const leaves = rawBlocks(24, 200, seed)
    const before = pinTreeOver(leaves)
    const after = pinTreeOver([...leaves.slice(0, 20), ...rawBlocks(4, 200, seed + 500)])
    const hole = after.leaves[22]!.cid
    await node.importBlocks([...before.blocks, ...after.blocks.filter((block) => block.cid !== hole)], {
      roots: [after.root],
    })
    await node.pin(before.root, { name: 'kept' })
    await failsWith(t, ['NODE_ERROR'], node.updatePin(before.root, after.root))
    const pins = (await node.listPins()).map((pin) => pin.cid)
    t.true(pins.includes(before.root))
    t.false(pins.includes(after.root))
    await node.unpin(before.root)
  })

  behaves('updatePin from a version that is not pinned is NOT_FOUND', async (t, node, seed) => {
    const before = pinTreeOver(rawBlocks(9, 200, seed))
    const after = pinTreeOver(rawBlocks(9, 200, seed + 500))
    await node.importBlocks([...before.blocks, ...after.blocks], { roots: [after.root] })
    await failsWith(t, ['NOT_FOUND'], node.updatePin(before.root, after.root))
    t.false((await node.listPins()).some((pin) => pin.cid === after.root))
  })

  behaves('garbage collection removes exactly the blocks that no pin reaches', async (t, node, seed) => {
    const shared = rawBlocks(10, 5000, seed)
    const kept = pinTreeOver([...shared, ...rawBlocks(10, 5000, seed + 100)])
    const dropped = pinTreeOver([...shared, ...rawBlocks(10, 5000, seed + 200)])
    await node.importBlocks([...kept.blocks, ...dropped.blocks], { roots: [kept.root] })
    await node.pin(kept.root, { name: 'kept' })
    const { removedBlocks } = await node.collectGarbage()
    t.true(removedBlocks >= 10)
    t.deepEqual(await node.missing(kept.blocks.map((block) => block.cid)), [])
    const gone = dropped.blocks
      .map((block) => block.cid)
      .filter((cid) => !kept.blocks.some((block) => block.cid === cid))
    t.deepEqual(await node.missing(gone), gone)
    for (const block of kept.blocks) t.deepEqual(Buffer.from(await node.getBlock(block.cid)), Buffer.from(block.bytes))
    await node.importBlocks(dropped.blocks, { roots: [dropped.root] })
    t.deepEqual(await node.missing(gone), [])
    await node.unpin(kept.root)
  })
}
