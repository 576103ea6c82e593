/** A real daemon behind a proxy that misbehaves: clear codes, nothing accepted wrongly, nothing lost. */
import test, { type ExecutionContext } from 'ava'
import { failsWith } from '../../../test/suites/node.suite.js'
import { pinTreeOver, nameKey, rawBlocks } from '../../../test/suites/node-material.js'
import { startFaultProxy, type FaultProxy } from '../../../test/kubo/fault-proxy.js'
import { requireKubo, testWithKubo } from '../../../test/kubo/require-kubo.js'
import type { KuboDaemon } from '../../../test/kubo/daemon.js'
import { KIB, MIB, silentLog, systemClock, systemRandom } from '../../base/index.js'
import { retrying } from '../../../test/support/node/retrying.js'
import { openNode, type IpfsNode, type NodeTimeouts } from '../index.js'

interface Faulty {
  readonly node: IpfsNode
  readonly daemon: KuboDaemon
  readonly proxy: FaultProxy
}

async function openFaulty(t: ExecutionContext, timeouts: Partial<NodeTimeouts> = {}): Promise<Faulty> {
  const daemon = await requireKubo(t)
  const proxy = await startFaultProxy(daemon.url)
  const node = await openNode(proxy.url, {
    dataDirectory: '/nonexistent',
    clock: systemClock,
    log: silentLog,
    random: systemRandom,
    timeouts: { blockMs: 2000, idleMs: 10_000, workMs: 10_000, ...timeouts },
  })
  t.teardown(async () => {
    await node.close()
    await proxy.close()
  })
  return { node, daemon, proxy }
}

testWithKubo(
  'a daemon killed and restarted during an upload: OFFLINE, then the retry completes it (R-13, R-21)',
  async (t) => {
    const { node, daemon, proxy } = await openFaulty(t)
    const forest = pinTreeOver(rawBlocks(64, 256 * KIB, 71))
    const cids = forest.blocks.map((block) => block.cid)

    let kills = 0
    let restarted: Promise<void> | undefined
    proxy.onUpload = (bytes) => {
      if (bytes < 4 * MIB || kills > 0) return
      kills++
      restarted = daemon.kill().then(() => daemon.restart())
    }
    await failsWith(t, ['OFFLINE'], node.importBlocks(forest.blocks, { roots: [forest.root] }))
    await restarted
    t.is(kills, 1, 'the daemon was killed during the upload')
    t.true((await node.missing(cids)).length > 0)

    kills = 0
    const robust = retrying(node, { random: systemRandom, attempts: 30, firstMs: 100, longestMs: 500 })
    t.is((await robust.importBlocks(forest.blocks, { roots: [forest.root] })).blocks, cids.length)
    await restarted
    t.is(kills, 1)
    t.deepEqual(await node.missing(cids), [])
    await node.pin(forest.root, { name: 'after the kill' })
    t.true((await node.listPins()).some((pin) => pin.cid === forest.root && pin.name === 'after the kill'))
  },
)

testWithKubo('a connection cut during an upload is OFFLINE, and the node keeps working', async (t) => {
  const { node, proxy } = await openFaulty(t)
  const forest = pinTreeOver(rawBlocks(32, 256 * KIB, 72))
  proxy.inject({ path: 'dag/import', times: 2, kind: { dropUploadAfterBytes: 3 * MIB } })
  await failsWith(t, ['OFFLINE'], node.importBlocks(forest.blocks, { roots: [forest.root] }))
  const robust = retrying(node, { random: systemRandom, firstMs: 10 })
  t.is((await robust.importBlocks(forest.blocks, { roots: [forest.root] })).blocks, forest.blocks.length)
  t.is(proxy.hits, 2)
})

testWithKubo('an unreachable node is OFFLINE at once, and is used again when it is back', async (t) => {
  const { node, proxy } = await openFaulty(t)
  const [block] = rawBlocks(1, 1000, 73)
  await node.importBlocks([block!], { roots: [block!.cid] })
  for (let outage = 0; outage < 3; outage++) {
    await proxy.goDown()
    await failsWith(t, ['OFFLINE'], node.check())
    await failsWith(t, ['OFFLINE'], node.getBlock(block!.cid))
    await failsWith(t, ['OFFLINE'], node.importBlocks([block!], { roots: [block!.cid] }))
    await proxy.comeBack()
    t.deepEqual(Buffer.from(await node.getBlock(block!.cid)), Buffer.from(block!.bytes))
  }
})

testWithKubo('403 is NODE_DENIED for every call, before any block is sent; 503 is NODE_BUSY', async (t) => {
  const { node, proxy } = await openFaulty(t)
  const blocks = rawBlocks(16, 256 * KIB, 74)
  const cid = blocks[0]!.cid
  let uploaded = 0
  proxy.onUpload = (bytes) => (uploaded = bytes)
  const key = await nameKey(74)
  const record = await key.record(cid, 1n)
  const everything = () => [
    node.importBlocks(blocks, { roots: [cid] }),
    node.getBlock(cid),
    node.missing([cid]),
    node.pin(cid, { name: 'n' }),
    node.updatePin(cid, blocks[1]!.cid),
    node.unpin(cid),
    node.listPins(),
    node.putName(key.name, record),
    node.getName(key.name),
    node.collectGarbage(),
    node.check(),
  ]
  proxy.inject({ kind: { status: 403, body: 'Kubo RPC Access Denied' } })
  for (const call of everything()) await failsWith(t, ['NODE_DENIED'], call)
  t.is(uploaded, 0)
  proxy.inject({ kind: { status: 503 } })
  for (const call of everything()) await failsWith(t, ['NODE_BUSY'], call)
  proxy.heal()
  t.false((await node.listPins()).some((pin) => pin.cid === cid))
})

testWithKubo('a truncated block is never accepted, also if the response ends normally', async (t) => {
  const { node, proxy } = await openFaulty(t)
  const [block] = rawBlocks(1, 200_000, 75)
  await node.importBlocks([block!], { roots: [block!.cid] })
  proxy.inject({ path: 'block/get', kind: { truncateAnswerAfterBytes: 100_000 } })
  await failsWith(t, ['OFFLINE', 'WRONG_BLOCK'], node.getBlock(block!.cid))
  proxy.inject({ path: 'block/get', kind: { truncateAnswerAfterBytes: 100_000, cleanly: true } })
  await failsWith(t, ['WRONG_BLOCK'], node.getBlock(block!.cid))
  proxy.inject({ path: 'block/get', times: 2, kind: { truncateAnswerAfterBytes: 7, cleanly: true } })
  const robust = retrying(node, { random: systemRandom, firstMs: 1 })
  t.deepEqual(Buffer.from(await robust.getBlock(block!.cid)), Buffer.from(block!.bytes))
})

testWithKubo('an import with a lost or truncated response does not count as done', async (t) => {
  const { node, proxy } = await openFaulty(t)
  const blocks = rawBlocks(4, 1000, 76)
  proxy.inject({ path: 'dag/import', kind: { truncateAnswerAfterBytes: 0 } })
  await failsWith(t, ['OFFLINE'], node.importBlocks(blocks, { roots: [blocks[0]!.cid] }))
  proxy.inject({ path: 'dag/import', kind: { truncateAnswerAfterBytes: 0, cleanly: true } })
  await failsWith(t, ['NODE_ERROR'], node.importBlocks(blocks, { roots: [blocks[0]!.cid] }))
  proxy.inject({ path: 'dag/import', kind: { truncateAnswerAfterBytes: 20, cleanly: true } })
  await failsWith(t, ['NODE_ERROR'], node.importBlocks(blocks, { roots: [blocks[0]!.cid] }))
})

testWithKubo('a wrong block is refused, and the right one is accepted later', async (t) => {
  const { node, proxy } = await openFaulty(t)
  const [block] = rawBlocks(1, 50_000, 77)
  await node.importBlocks([block!], { roots: [block!.cid] })
  proxy.inject({ path: 'block/get', times: 1, kind: { damageAnswer: true } })
  await failsWith(t, ['WRONG_BLOCK'], node.getBlock(block!.cid))
  t.deepEqual(Buffer.from(await node.getBlock(block!.cid)), Buffer.from(block!.bytes))
})

testWithKubo('a damaged name record from the node is refused', async (t) => {
  const { node, proxy } = await openFaulty(t)
  const key = await nameKey(78)
  const record = await key.record(rawBlocks(1, 10, 78)[0]!.cid, 5n)
  proxy.inject({ path: 'name/get', times: 1, kind: { damageAnswer: true } })
  await failsWith(t, ['NODE_ERROR'], node.putName(key.name, record))
  t.deepEqual(Buffer.from(await node.getName(key.name)), Buffer.from(record))
})

testWithKubo('a hanging node is TIMEOUT after the silence limit, and a cancelled call ends at once', async (t) => {
  const { node, proxy } = await openFaulty(t, { idleMs: 500, workMs: 500 })
  const [block] = rawBlocks(1, 1000, 79)
  // Longer than the test's time limit: a call that waits for the response fails the test.
  proxy.inject({ kind: { delayMs: 600_000 } })
  await failsWith(t, ['TIMEOUT'], node.check())
  await failsWith(t, ['TIMEOUT'], node.listPins())
  await failsWith(t, ['TIMEOUT'], node.importBlocks([block!], { roots: [block!.cid] }))
  const abort = new AbortController()
  setTimeout(() => abort.abort(), 50)
  await failsWith(t, ['ABORTED'], node.getBlock(block!.cid, { signal: abort.signal }))
})

testWithKubo('an upload with a stuck source ends at once when it is cancelled or the node dies', async (t) => {
  const { node, proxy } = await openFaulty(t)
  const [block] = rawBlocks(1, 1000, 80)
  const stuck = async function* () {
    yield block!
    await new Promise(() => undefined)
  }
  const abort = new AbortController()
  setTimeout(() => abort.abort(), 200)
  await failsWith(t, ['ABORTED'], node.importBlocks(stuck(), { roots: [], signal: abort.signal }))
  setTimeout(() => void proxy.goDown(), 200)
  await failsWith(t, ['OFFLINE'], node.importBlocks(stuck(), { roots: [] }))
})

test('nothing listens: OFFLINE, and no hang', async (t) => {
  const options = { dataDirectory: '/nonexistent', clock: systemClock, log: silentLog, random: systemRandom }
  for (const address of ['http://127.0.0.1:1', 'unix:///nonexistent/api.sock', 'https://127.0.0.1:1']) {
    const node = await openNode(address, options)
    await failsWith(t, ['OFFLINE'], node.check())
    await node.close()
    await failsWith(t, ['OFFLINE'], node.check())
  }
})
