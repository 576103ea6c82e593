import test from 'ava'
import { around } from '../../../test/support/sync/around.js'
import { RealDevice } from '../../../test/support/sync/real-device.js'
import { check, drive, fill, lying, rotting, versionBlocks } from '../../../test/support/sync/rotten.js'
import { seenElsewhere } from '../../../test/support/sync/started-device.js'
import { pinTreeOf, usesOf } from '../../../test/support/sync/version-uses.js'
import { cidOf, parseCid } from '../../dag/index.js'
import type { CidText } from '../../node/index.js'
import { findDrive } from '../fetch/open-existing.js'

const CLEAN = { open: 0, healed: 0, lost: 0 }

test('S-071 R-77 a check of an undamaged drive finds nothing and changes nothing', async (t) => {
  const { world, device } = await drive(t, 900)
  await fill(world, device)
  const before = await versionBlocks(world)
  t.like(await check(device, {}), CLEAN)
  const report = await check(device, { node: true, repair: true })
  t.like(report, CLEAN)
  t.true(report.checkedHere > 10 && report.checkedNode >= 15, JSON.stringify(report))
  t.deepEqual(await versionBlocks(world), before)
})

test('S-072 S-073 R-77 any single block that stays damaged on the node is found and replaced', async (t) => {
  t.timeout(10 * 60_000)
  const { world, device } = await drive(t, 901)
  await fill(world, device)
  const plain = world.node
  const rotten = new Set<CidText>()
  const node = rotting(plain, rotten)
  world.node = node
  await device.close()
  await device.open(() => ({ node }))
  const count = (await versionBlocks(world)).length
  const expected = await device.dump()
  t.true(count > 25, String(count))
  for (let at = 0; at < count; at += at < 6 ? 1 : 11) {
    const blocks = await versionBlocks(world)
    const victim = blocks[at % blocks.length]!
    rotten.add(victim)
    const found = await check(device, { node: true })
    t.true(found.open > 0 && found.healed + found.lost === 0, `${at} ${victim}: ${JSON.stringify(found)}`)
    const repaired = await check(device, { node: true, repair: true })
    t.like(repaired, { open: 0, lost: 0 }, `${at} ${victim}: ${JSON.stringify(repaired.findings)}`)
    t.true(repaired.healed > 0, `${at} ${victim}`)
    t.false((await versionBlocks(world)).includes(victim), `${at} ${victim}`)
    t.like(await check(device, { node: true }), CLEAN, `${at} ${victim}: again`)
    t.deepEqual(await seenElsewhere(world), expected, `${at} ${victim}`)
  }
  t.deepEqual(await device.dump(), expected, 'no other local change')
  const { version } = (await findDrive(world))!
  const uses = await usesOf(version, world.fetch)
  t.deepEqual([...(await pinTreeOf(version, world.fetch))].sort(), [...uses.keys()].sort())
})

test('S-072 S-213 R-77 a block that the node lost is sent again, without a new version', async (t) => {
  const { world, device } = await drive(t, 902)
  await fill(world, device)
  const rotten = new Set<CidText>()
  const imported = new Set<CidText>()
  const node = around(rotting(world.node, rotten, 'NOT_FOUND'), {
    importBlocks: async (blocks, options) => {
      const all = []
      for await (const block of blocks) all.push(block)
      for (const { cid } of all) if (rotten.delete(cid)) imported.add(cid)
      return world.node.importBlocks(all, options)
    },
  })
  await device.close()
  await device.open(() => ({ node }))
  const height = device.sync.status().published!.height
  const victims = (await versionBlocks(world)).filter((_, i) => i % 3 === 0)
  for (const cid of victims) rotten.add(cid)
  t.true((await check(device, { node: true, repair: false })).open > 0)
  t.is(device.sync.status().scrub.missing, victims.length)
  t.regex(device.sync.status().warnings.join(), new RegExp(`The node lacks ${victims.length} blocks;`))
  const repaired = await check(device, { node: true, repair: true })
  t.like(repaired, { open: 0, lost: 0 }, JSON.stringify(repaired.findings))
  t.deepEqual([...imported].sort(), [...victims].sort(), 'good blocks were not sent')
  t.is(device.sync.status().published!.height, height)
})

test('S-071 R-77 if neither the node nor this machine has a block, its files are named', async (t) => {
  const { world, device } = await drive(t, 903)
  await fill(world, device)
  const rotten = new Set<CidText>()
  const other = await (async () => {
    const opened = await RealDevice.next(world)
    await opened.close()
    await opened.open(() => ({ node: rotting(world.node, rotten) }))
    return opened
  })()
  t.teardown(async () => {
    await other.close()
    other.remove()
  })
  const { version } = (await findDrive(world))!
  const uses = await usesOf(version, world.fetch)
  const twice = [...uses].find(([, count]) => count === 2)![0]
  rotten.add(cidOf(Buffer.from(twice, 'hex'), 'raw'))
  const report = await check(other, { node: true, repair: true })
  t.deepEqual(report.findings.map(({ path }) => path).sort(), ['docs/one', 'docs/the same'])
  t.like(report, { open: 0, healed: 0, lost: 2 })
  t.true(report.findings.every(({ kind, outcome }) => kind === 'damaged' && outcome === 'lost'))
})

test('S-073 content rewritten after a repair does not deduplicate to the damaged block', async (t) => {
  const { world, device } = await drive(t, 904)
  const content = world.random.bytes(400_000)
  await device.write('/first', 0, content)
  await device.sync.syncNow()
  const rotten = new Set<CidText>()
  const node = (world.node = rotting(world.node, rotten))
  await device.close()
  await device.open(() => ({ node }))
  const leaves: CidText[] = []
  for (const cid of await versionBlocks(world)) {
    const { digest, codec } = parseCid(cid)
    if (codec === 'raw' && (await world.fetch(digest, codec)).length > 60_000) leaves.push(cid)
  }
  for (const cid of leaves) rotten.add(cid)
  const repaired = await check(device, { node: true, repair: true })
  t.like(repaired, { open: 0, lost: 0 }, JSON.stringify(repaired.findings))
  await device.write('/second', 0, content)
  await device.sync.syncNow()
  t.like(await check(device, { node: true }), CLEAN)
  t.deepEqual(await seenElsewhere(world), await device.dump())
})

test('S-073 a pin is not updated from a version with a damaged pin tree, since the node may follow its damaged links', async (t) => {
  const { world, device } = await drive(t, 905)
  await fill(world, device)
  const rotten = new Set<CidText>()
  let updates = 0
  const node = around(rotting(world.node, rotten), {
    updatePin: (from, to, options) => {
      updates++
      return world.node.updatePin(from, to, options)
    },
  })
  await device.close()
  await device.open(() => ({ node }))
  const { version } = (await findDrive(world))!
  rotten.add(cidOf(version.commit.forest, 'dag-pb'))
  t.like(await check(device, { node: true, repair: true }), { open: 0, lost: 0 })
  t.is(updates, 0)
  await device.write('/later', 0, Buffer.from('later'))
  await device.sync.syncNow()
  t.is(updates, 1)
})

test('S-071 R-77 blocks that a newer version replaced during the check are not reported', async (t) => {
  const { world, device } = await drive(t, 906)
  await fill(world, device)
  let isWriting = true
  const writing = (async () => {
    for (let i = 0; i < 8; i++) {
      await device.write('/docs/one', 0, world.random.bytes(300_000), { truncate: true })
      await device.write('/long', 70_000 * i, world.random.bytes(100_000))
      await device.sync.syncNow()
      await world.node.collectGarbage()
      await device.port.evictTo(0)
    }
  })().finally(() => (isWriting = false))
  let checks = 0
  const reports = []
  for (; isWriting; checks++) reports.push(await check(device, { node: true }))
  await writing
  for (const report of reports) t.like(report, CLEAN, JSON.stringify(report.findings))
  t.true(checks > 0)
  t.like(await check(device, { node: true }), CLEAN)
})

test('S-071 a version published during every read of the names is no defect', async (t) => {
  const { world, device } = await drive(t, 910)
  await fill(world, device)
  let isPublishing = true
  let published = 0
  const node = around(world.node, {
    getName: async (name, options) => {
      const record = await world.node.getName(name, options)
      if (isPublishing) return record
      isPublishing = true
      await device.write('/docs/one', 0, Buffer.from(`version ${published++}`))
      await device.sync.syncNow()
      isPublishing = false
      return record
    },
  })
  await device.close()
  await device.open(() => ({ node }))
  await device.sync.syncNow()
  isPublishing = false
  const report = await check(device, { node: true })
  t.like(report, CLEAN, JSON.stringify(report.findings))
  t.true(published > 6, String(published))
})

test('S-071 blocks that a settling version replaces are not reported as lost', async (t) => {
  const { world, device } = await drive(t, 910)
  await fill(world, device)
  const state = { isLying: false }
  let settling: (() => void) | undefined
  let goOn: (() => void) | undefined
  const node = around(lying(world.node, state), {
    unpin: async (cid, options) => {
      const held = new Promise<void>((resolve) => (goOn = resolve))
      settling?.()
      if (settling !== undefined) await held
      return world.node.unpin(cid, options)
    },
  })
  await device.close()
  await device.open(() => ({ node }))
  state.isLying = true
  t.true((await check(device, { node: true })).open > 0)
  await device.write('/docs/one', 0, world.random.bytes(300_000), { truncate: true })
  await device.write('/docs/the same', 0, world.random.bytes(300_000), { truncate: true })
  const reached = new Promise<void>((resolve) => (settling = resolve))
  const published = device.sync.syncNow()
  await reached
  const report = await check(device, { node: true })
  settling = undefined
  goOn?.()
  await published
  t.is(report.lost, 0, JSON.stringify(report.findings))
})
