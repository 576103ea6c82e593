/** Our client and the independent `kubo-rpc-client` get the same results from one daemon. */
import { create } from 'kubo-rpc-client'
import { CID } from 'multiformats/cid'
import { pinTreeOver, nameKey, rawBlock, rawBlocks } from '../../../test/suites/node-material.js'
import { requireKubo, testWithKubo } from '../../../test/kubo/require-kubo.js'
import { silentLog, systemClock, systemRandom } from '../../base/index.js'
import { openNode } from '../index.js'

testWithKubo('kubo-rpc-client reads the data of our client, and vice versa', async (t) => {
  const daemon = await requireKubo(t)
  const options = { dataDirectory: '/nonexistent', clock: systemClock, log: silentLog, random: systemRandom }
  const ours = await openNode(daemon.url, options)
  t.teardown(() => ours.close())
  const theirs = create({ url: daemon.url })

  const forest = pinTreeOver(rawBlocks(20, 1000, 91))
  await ours.importBlocks(forest.blocks, { roots: [forest.root] })
  await ours.pin(forest.root, { name: 'cross' })
  t.deepEqual(
    Buffer.from(await theirs.block.get(CID.parse(forest.leaves[3]!.cid))),
    Buffer.from(forest.leaves[3]!.bytes),
  )
  const pins = []
  for await (const pin of theirs.pin.ls({ type: 'recursive', names: true }))
    pins.push({ cid: pin.cid.toString(), name: pin.name ?? '' })
  t.deepEqual(sorted(await ours.listPins()), sorted(pins))

  const block = rawBlock(Buffer.from('put by the other client'))
  await theirs.block.put(block.bytes, { format: 'raw' })
  t.deepEqual(Buffer.from(await ours.getBlock(block.cid)), Buffer.from(block.bytes))

  const key = await nameKey(91)
  await ours.putName(key.name, await key.record(forest.root, 3n))
  for await (const path of theirs.name.resolve(key.name)) t.is(path, `/ipfs/${forest.root}`)

  const status = await ours.check()
  t.is(status.peerId, (await theirs.id()).id.toString())
  t.is(status.version, (await theirs.version()).version)
  t.is(status.bytes, Number((await theirs.repo.stat()).repoSize))

  await theirs.pin.rm(CID.parse(forest.root))
  t.false((await ours.listPins()).some((pin) => pin.cid === forest.root))
  let removed = 0
  for await (const gone of theirs.repo.gc()) if (gone.err === undefined || gone.err === null) removed++
  t.true(removed >= forest.blocks.length)
  t.is((await ours.missing(forest.blocks.map((one) => one.cid))).length, forest.blocks.length)
})

function sorted(pins: readonly { cid: string; name: string }[]): { cid: string; name: string }[] {
  return [...pins].sort((a, b) => a.cid.localeCompare(b.cid))
}
