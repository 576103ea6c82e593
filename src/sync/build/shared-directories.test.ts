import test, { type ExecutionContext } from 'ava'
import { graphOf } from '../../../test/support/sync/forged-graph.js'
import { publishForged } from '../../../test/support/sync/forged-tree.js'
import { around } from '../../../test/support/sync/around.js'
import { World, type Device } from '../../../test/support/sync/world.js'
import { DriveError } from '../../base/index.js'
import { cidOf, readMapNodes } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { CheckFinding } from '../contract.js'
import { openExisting } from '../fetch/open-existing.js'

const LEVELS = 31

/** A device that took over a version with a graph of directories at `/graph`. */
async function start(
  t: ExecutionContext,
  seed: number,
  names: readonly string[],
  levels = LEVELS,
): Promise<{ w: World; device: Device }> {
  const w = await World.open(seed)
  t.teardown(() => w.close())
  const device = await w.firstDevice()
  await device.drive.write('/mine', w.random.bytes(20_000))
  await (await device.start()).syncNow()
  await device.stop()
  const { row, blocks } = graphOf(levels, names, w.random)
  await publishForged(w, 1, (rows) => {
    rows.set('graph', row)
    return blocks
  })
  t.true(await device.takeOver())
  return { w, device }
}

/** The node without the root directory's nodes: the next version has to be built from the tree. */
async function withoutRoot(w: World): Promise<IpfsNode> {
  const lost = new Set<string>()
  const { content } = (await openExisting(w)).version.commit.root
  if (content.kind === 'tree')
    for (const { ref } of await readMapNodes(content.ref, w.fetch)) lost.add(cidOf(ref.digest, 'raw'))
  return around(w.node, {
    getBlock: (cid, options) =>
      lost.has(cid) ? Promise.reject(new DriveError('NOT_FOUND', 'gone')) : w.node.getBlock(cid, options),
  })
}

async function check(device: Device): Promise<{ findings: CheckFinding[]; entries: number }> {
  const findings: CheckFinding[] = []
  let entries = 0
  await (
    await device.start()
  ).check({
    node: true,
    repair: false,
    signal: new AbortController().signal,
    onFinding: (finding) => void findings.push(finding),
    onProgress: ({ phase, done }) => void (phase === 'tree' && (entries = done)),
  })
  return { findings: findings.filter(({ where }) => where === 'node'), entries }
}

test('S-130 31 directories with 2^30 paths: a check of the node reads each once, and names the second names', async (t) => {
  const { w, device } = await start(t, 780, ['a', 'b'])
  await device.start()
  await device.drive.write('/new', w.random.bytes(1000))
  const { findings, entries } = await check(device)
  t.is(entries, 3 + 1 + 2 * (LEVELS - 1), '/mine, /new, /graph, the file and two names a level')
  t.deepEqual(new Set(findings.map(({ what, outcome }) => `${what} ${outcome}`)), new Set(['entry lost']))
  const longest = `graph/${'a/'.repeat(LEVELS - 2)}b`
  t.deepEqual(
    findings.map(({ path }) => path).sort(),
    Array.from({ length: LEVELS - 1 }, (_, level) => `graph/${'a/'.repeat(level)}b`).sort(),
  )
  t.true(findings.some(({ path }) => path === longest))
})

test('S-130 the tree shows each of 31 directories under one name, and says that there are others', async (t) => {
  const { w, device } = await start(t, 781, ['a', 'b'])
  const sync = await device.start()
  const shown = await device.drive.dump()
  t.is(Object.keys(shown).filter((path) => path.startsWith('/graph')).length, 1 + LEVELS)
  t.regex(sync.status().warnings.join(), /cannot be read and are not shown/)
  await device.drive.write('/new', w.random.bytes(1000))
  await sync.syncNow()
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
  await device.drive.write('/graph/a/new', w.random.bytes(1000))
  await sync.syncNow()
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
})

test('S-130 a version built from the tree counts 31 directories with 2^30 paths, and loses nothing of them', async (t) => {
  const { w, device } = await start(t, 782, ['a', 'b'])
  await device.start()
  await device.drive.find('/mine')
  const sync = await device.start({ node: await withoutRoot(w) })
  await device.drive.write('/new', w.random.bytes(1000))
  await sync.syncNow()
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
  await device.drive.remove(`/graph${'/a'.repeat(LEVELS - 1)}/deepest`)
  await sync.syncNow()
  await w.node.collectGarbage()
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
  t.deepEqual((await check(device)).findings, [], 'all directories were built anew, with one name each')
})

test('S-130 a very deep tree of another device is checked, counted and listed without recursion', async (t) => {
  const levels = 1500
  const { w, device } = await start(t, 783, ['d'], levels)
  await device.start()
  await device.drive.find('/mine')
  const sync = await device.start({ node: await withoutRoot(w) })
  await device.drive.write('/new', w.random.bytes(1000))
  await sync.syncNow()
  const { findings, entries } = await check(device)
  t.deepEqual(findings, [])
  t.is(entries, 3 + levels)
})

test('S-130 a directory that another device moved is shown under its new name', async (t) => {
  const w = await World.open(784)
  t.teardown(() => w.close())
  const first = await w.firstDevice()
  for (const path of ['/old', '/new', '/old/moved']) await first.drive.makeDirectory(path)
  await first.drive.write('/old/moved/file', w.random.bytes(5000))
  await (await first.start()).syncNow()
  await first.stop()
  const second = await w.nextDevice()
  await second.start()
  await second.drive.dump()
  const sync = await first.start()
  await first.drive.rename('/old/moved', '/new/moved')
  await sync.syncNow()
  await first.stop()
  t.true(await second.takeOver())
  await second.start()
  const shown = Object.keys(await second.drive.dump())
  t.true(shown.includes('/new/moved/file'))
  t.false(shown.includes('/old/moved'))
})
