import test, { type ExecutionContext } from 'ava'
import { around } from '../../../test/support/sync/around.js'
import { assertCountsAreExact, World } from '../../../test/support/sync/world.js'
import { faulty } from '../../../test/support/node/faulty.js'
import type { ImportResult, IpfsNode, NodeBlock } from '../../node/index.js'
import { DriveError, isDriveError } from '../../base/index.js'

let seed = 200
async function world(t: ExecutionContext): Promise<World> {
  const opened = await World.open(seed++)
  t.teardown(() => opened.close())
  return opened
}

const SMALL_PARTS = { partBlocks: 8, partBytes: 1024 * 1024, concurrentParts: 2 }

test('everything is published in the end, although the node fails at random', async (t) => {
  const faultSeed = 42
  t.log(`seed ${faultSeed}`)
  const w = await world(t)
  let isBad = true
  const rates = { before: 0.12, after: 0.08, middle: 0.3 }
  const node = faulty(w.node, faultSeed, () => (isBad ? rates : { before: 0, after: 0, middle: 0 }))
  const device = await w.firstDevice()
  const sync = await device.start({
    node,
    settings: { ...SMALL_PARTS, firstRetryMs: 1, lastRetryMs: 5, leastIntervalMs: 1, debounceMs: 0 },
  })
  let failures = 0
  sync.onChange(({ phase }) => (failures += phase === 'retrying' ? 1 : 0))
  for (let round = 0; round < 8; round++) {
    await device.drive.write(`/file ${round}`, w.random.bytes(400_000), round % 2 === 0 ? undefined : 'pages')
    await device.drive.write('/again', w.random.bytes(300_000))
    await device.drive.flush()
    for (let i = 0; i < 40 && (await device.drive.counts()).dirtyInodes > 0; i++)
      await sync.syncNow().catch(() => undefined)
  }
  isBad = false
  await sync.syncNow()
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
  await sync.syncNow()
  await assertCountsAreExact(t, w, device)
  t.log(`${failures} failures`)
  t.true(failures > 5)
})

test('blocks that the node confirmed before an interruption are not sent again', async (t) => {
  const w = await world(t)
  const device = await w.firstDevice()
  await device.drive.write('/big', w.random.bytes(10_000_000))
  const total = 40
  let [sent, imports] = [0, 0]
  const importBlocks: IpfsNode['importBlocks'] = async (blocks, options): Promise<ImportResult> => {
    if (++imports === 8) throw new Error('the connection is cut')
    const counted = async function* (): AsyncGenerator<NodeBlock> {
      for await (const block of blocks) {
        sent++
        yield block
      }
    }
    return w.node.importBlocks(counted(), options)
  }
  const settings = { ...SMALL_PARTS, concurrentParts: 1 }
  const first = await device.start({ node: around(w.node, { importBlocks }), settings })
  await t.throwsAsync(first.syncNow())
  const before = sent
  t.true(before >= 20)
  await device.stop()
  device.queue.crash()
  const second = await device.start({ node: around(w.node, { importBlocks }), settings })
  await second.syncNow()
  t.true(sent <= total + 6, `${sent} blocks sent`)
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
})

test('blocks the node lost after it confirmed them are found and sent again', async (t) => {
  const w = await world(t)
  const device = await w.firstDevice()
  await device.drive.write('/big', w.random.bytes(3_000_000))
  let isForgetful = true
  const importBlocks: IpfsNode['importBlocks'] = async (blocks, options): Promise<ImportResult> => {
    if (!isForgetful) return w.node.importBlocks(blocks, options)
    const kept: NodeBlock[] = []
    let all = 0
    for await (const block of blocks) if (++all % 3 !== 0) kept.push(block)
    isForgetful = false
    return { ...(await w.node.importBlocks(kept, options)), blocks: all }
  }
  await (await device.start({ node: around(w.node, { importBlocks }) })).syncNow()
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
})

test('a version that was damaged on the node does not prevent the next one from being published', async (t) => {
  const w = await world(t)
  const device = await w.firstDevice()
  await device.drive.write('/first', w.random.bytes(300_000))
  await (await device.start()).syncNow()
  await device.drive.write('/second', w.random.bytes(300_000))
  const updatePin: IpfsNode['updatePin'] = () => Promise.reject(new DriveError('WRONG_BLOCK', 'damaged'))
  let damaged: string[] | undefined
  const pin: IpfsNode['pin'] = async (cid, options) => {
    if (damaged !== undefined) return w.node.pin(cid, options)
    damaged = [cid]
    throw new DriveError('WRONG_BLOCK', 'damaged')
  }
  const missing: IpfsNode['missing'] = async (cids, options) => [
    ...(await w.node.missing(cids, options)),
    ...cids.filter((cid) => damaged?.includes(cid)),
  ]
  await (await device.start({ node: around(w.node, { updatePin, pin, missing }) })).syncNow()
  t.is(damaged?.length, 1)
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
})

test('a node that stores fewer blocks than it was sent is an error', async (t) => {
  const w = await world(t)
  const device = await w.firstDevice()
  const importBlocks: IpfsNode['importBlocks'] = async (blocks, options) => {
    const result = await w.node.importBlocks(blocks, options)
    return { ...result, blocks: result.blocks - 1 }
  }
  const error = await t.throwsAsync((await device.start({ node: around(w.node, { importBlocks }) })).syncNow())
  t.true(isDriveError(error, 'NODE_ERROR'))
})

test('a node that answers 403 stops sync with that reason, and nothing is lost', async (t) => {
  const w = await world(t)
  const device = await w.firstDevice()
  await device.drive.write('/file', w.random.bytes(1000))
  const denied = async (): Promise<never> => {
    throw new DriveError('NODE_DENIED', 'The node refuses this key.')
  }
  const sync = await device.start({ node: around(w.node, { importBlocks: denied }) })
  const error = await t.throwsAsync(sync.syncNow())
  t.true(isDriveError(error, 'NODE_DENIED'))
  t.is(sync.status().lastError?.code, 'NODE_DENIED')
  t.is(sync.status().phase, 'retrying')
  await (await device.start()).syncNow()
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
})
