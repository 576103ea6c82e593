import test from 'ava'
import { check, drive, fill, rotting, versionBlocks } from '../../../test/support/sync/rotten.js'
import { seenElsewhere } from '../../../test/support/sync/started-device.js'
import { RealDevice } from '../../../test/support/sync/real-device.js'
import { caller } from '../../../test/support/sync/tree-by-path.js'
import { cidOf } from '../../dag/index.js'
import type { CheckFinding } from './contract.js'
import { findDrive } from '../fetch/open-existing.js'
import type { CidText } from '../../node/index.js'
import type { DrivePort } from '../../tree-state/index.js'
import { OPEN } from '../../vfs/index.js'

const CLEAN = { open: 0, healed: 0, lost: 0 }
/** Index that stands for the table of hard links. This device never read a node of it. */
const LINKS = -1

test('S-072 S-073 R-77 a second device that has read the whole drive repairs blocks that the first one published', async (t) => {
  t.timeout(10 * 60_000)
  const { world, device } = await drive(t, 930)
  await fill(world, device)
  const expected = await device.dump()
  const count = (await versionBlocks(world)).length
  const sampled = Array.from({ length: count }, (_, i) => i).filter((i) => i < 4 || i % 11 === 4)
  for (const at of [LINKS, ...sampled]) {
    const second = await RealDevice.next(world)
    t.teardown(async () => {
      await second.close()
      second.remove()
    })
    const plain = world.node
    const rotten = new Set<CidText>()
    t.deepEqual(await second.dump(), expected)
    await second.close()
    await second.open(() => ({ node: rotting(plain, rotten) }))
    const blocks = await versionBlocks(world)
    const { links } = (await findDrive(world))!.version.commit
    const victim = at === LINKS ? cidOf(links!.digest, 'raw') : blocks[at % blocks.length]!
    rotten.add(victim)
    const repaired = await check(second, { node: true, repair: true })
    t.like(repaired, { open: 0, lost: 0 }, `${at} ${victim}: ${JSON.stringify(repaired.findings)}`)
    t.false((await versionBlocks(world)).includes(victim), `${at} ${victim}`)
    t.like(await check(second, { node: true }), CLEAN, `${at} ${victim}: again`)
    t.deepEqual(await second.dump(), expected)
    await second.close()
    world.node = rotting(plain, rotten)
    t.deepEqual(await seenElsewhere(world), expected)
    world.node = plain
  }
})

test('S-071 blocks of a removed file that another device had open are no damage of its version', async (t) => {
  const { world, device } = await drive(t, 932)
  await device.write('/open', 0, world.random.bytes(400_000), { sync: true })
  await device.sync.syncNow()
  const { ino } = (await device.find('/open'))!
  const { handle } = await device.tree.open(ino, OPEN.READ_WRITE, caller)
  await device.unlink('/open')
  await device.write('/other', 0, world.random.bytes(1000))
  await device.sync.syncNow()
  t.like(await check(device, { node: true }), CLEAN)
  const pinned = await versionBlocks(world)
  device.tree.release(ino, handle)
  await device.close()
  const second = await RealDevice.next(world)
  t.teardown(async () => {
    await second.close()
    second.remove()
  })
  const { findings, ...report } = await check(second, { node: true })
  t.like(report, CLEAN, JSON.stringify(findings))
  t.true(report.checkedNode < pinned.length, 'the version needs fewer blocks than are pinned')
})

test('S-002 S-072 after a kill at any call of a repair, the next repair finishes it and nothing is lost', async (t) => {
  t.timeout(10 * 60_000)
  const { world, device } = await drive(t, 931)
  await fill(world, device)
  const expected = await device.dump()
  const plain = world.node
  for (let cut = 1, isCut = true; isCut; cut++) {
    const blocks = await versionBlocks(world)
    const rotten = new Set<CidText>([blocks.at(-1)!, blocks[2 + (cut % 3)]!])
    isCut = false
    let calls = 0
    const cutting = (port: DrivePort): DrivePort =>
      new Proxy(port, {
        get: (target, name) => {
          const method = Reflect.get(target, name) as (...given: unknown[]) => Promise<unknown>
          return async (...given: unknown[]) => {
            const isChange = CHANGING.has(String(name))
            if (isChange && calls >= cut) throw new Error('cut')
            const answer = await Reflect.apply(method, target, given)
            if (!isChange || ++calls < cut) return answer
            isCut = true
            throw new Error('cut')
          }
        },
      })
    await device.close()
    await device.open((port) => ({ node: rotting(plain, rotten), port: cutting(port) }))
    await check(device, { node: true, repair: true }).catch(() => undefined)
    await device.kill()
    await device.close()
    await device.open(() => ({ node: rotting(plain, rotten) }))
    const repaired = await check(device, { node: true, repair: true })
    t.like(repaired, { open: 0, lost: 0 }, `${cut}: ${JSON.stringify(repaired.findings)}`)
    t.like(await check(device, { node: true }), CLEAN, `${cut}: again`)
    t.deepEqual(await device.dump(), expected, String(cut))
    world.node = rotting(plain, rotten)
    t.deepEqual(await seenElsewhere(world), expected, String(cut))
    world.node = plain
  }
})

/** Calls of a repair that change local state. */
const CHANGING = new Set(['adopt', 'giveBack', 'keepBlocks', 'replaceBlocks', 'markChanged', 'published'])

test('S-099 with another device ahead, a repair is refused, and names before what is damaged', async (t) => {
  const { world, device } = await drive(t, 932)
  await fill(world, device)
  const before = await versionBlocks(world)
  const second = await RealDevice.next(world)
  t.teardown(() => second.remove())
  await second.write('/later', 0, Buffer.from('more'))
  await second.sync.syncNow()
  await second.close()
  const after = await versionBlocks(world)
  const victim = before.find((cid) => cid.startsWith('bafkrei') && after.includes(cid))!
  await device.close()
  await device.open(() => ({ node: rotting(world.node, new Set([victim])) }))
  const found: CheckFinding[] = []
  const request = { node: true, repair: true, signal: new AbortController().signal, onProgress: () => undefined }
  await t.throwsAsync(device.sync.check({ ...request, onFinding: (finding) => found.push(finding) }), {
    code: 'DIVERGED',
  })
  t.true(
    found.some(({ where, kind, cid }) => where === 'node' && kind === 'damaged' && cid === victim),
    JSON.stringify(found),
  )
})
