import { requireKubo, testWithKubo } from '../../../test/kubo/require-kubo.js'
import { FORGERIES, Forger } from '../../../test/support/sync/forgery.js'
import { World, type Device } from '../../../test/support/sync/world.js'
import { isDriveError, systemClock } from '../../base/index.js'
import { claimOpened } from '../fetch/claim-opened.js'
import { openExisting } from '../fetch/open-existing.js'

for (const name of ['drive', 1, 0] as const) {
  const whose = name === 'drive' ? 'the drive name' : name === 0 ? "a device's own name" : 'the name of an unused slot'
  testWithKubo(
    `S-033 S-110 whatever record a lost device signs for ${whose}, the others publish, follow and open, and say so`,
    async (t) => {
      const kubo = await requireKubo(t)
      let seed = 720
      for (const [what, forge] of Object.entries(FORGERIES)) {
        const world = await World.open(seed++, kubo.url)
        try {
          const { device, root } = await publishMine(world)
          await forge(new Forger(kubo.url, world.keys), name, root, systemClock.nowMs())

          t.deepEqual(await world.seenElsewhere(), await device.drive.dump(), `${what}: opened`)
          const next = await world.nextDevice()
          await (await next.start()).syncNow()
          await next.stop()
          await device.drive.write('/after', world.random.bytes(20_000))
          const sync = await device.start()
          await sync.syncNow()
          t.is(sync.status().published?.height, 2, what)
          // A record with a low sequence is replaced by the next version.
          const isHealed = what.includes('next height') || (name === 1 && what.includes('expired'))
          const subject = name === 'drive' ? 'name of the drive' : `head of device ${name}`
          const said = sync.status().warnings.filter((warning) => warning.includes(subject))
          if (!isHealed) t.is(said.length, 1, `${what}: ${sync.status().warnings.join()}`)
          t.is(device.drive.onlyCopies, 0)
          await sync.syncNow()
          await world.node.collectGarbage()
          t.deepEqual(await world.seenElsewhere(), await device.drive.dump(), `${what}: opened again`)

          t.true(await next.takeOver(), `${what}: another device follows`)
          const nextSync = await next.start()
          await next.drive.write('/from the next', world.random.bytes(1000))
          await nextSync.syncNow()
          t.is(nextSync.status().published?.height, 3, what)
          t.deepEqual(await world.seenElsewhere(), await next.drive.dump(), what)
          await device.stop()
          t.true(await device.takeOver(), `${what}: the first device follows`)
        } finally {
          await world.close()
        }
      }
    },
  )
}

testWithKubo('S-110 where no name can be moved, nothing counts as published and nothing is lost', async (t) => {
  const kubo = await requireKubo(t)
  const world = await World.open(740, kubo.url)
  t.teardown(() => world.close())
  const { device, root } = await publishMine(world)
  const forger = new Forger(kubo.url, world.keys)
  for (const name of ['drive', 0] as const) await FORGERIES['another kind of block']!(forger, name, root, 0)
  await device.drive.write('/after', world.random.bytes(20_000))
  const sync = await device.start()
  const error = await t.throwsAsync(sync.syncNow())
  t.true(isDriveError(error, 'NODE_ERROR'))
  t.regex(error.message, /Neither the name of the drive nor the head of this device can be moved/)
  t.is(sync.status().published?.height, 1)
  t.true(device.drive.onlyCopies > 0)
  const opening = await t.throwsAsync(openExisting(world))
  t.true(isDriveError(opening, 'CORRUPT'), 'never "there is no drive"')
})

testWithKubo('S-111 a lost device that fills every slot with records keeps no new device out', async (t) => {
  const kubo = await requireKubo(t)
  const world = await World.open(741, kubo.url)
  t.teardown(() => world.close())
  const { device, root } = await publishMine(world)
  const forger = new Forger(kubo.url, world.keys)
  for (let slot = 1; slot <= 255; slot++) {
    const [, forge] = Object.entries(FORGERIES)[slot % 3]!
    await forge(forger, slot, root, 0)
  }
  const next = await world.nextDevice()
  t.is(next.slot, 1)
  await t.notThrowsAsync(claimOpened(world, await openExisting(world)))
  const sync = await next.start()
  await next.drive.write('/from the next', world.random.bytes(1000))
  await sync.syncNow()
  t.deepEqual(await world.seenElsewhere(), await next.drive.dump())
  await device.stop()
  t.true(await device.takeOver())
  const third = await world.nextDevice()
  t.is(third.slot, 2)
})

/** A device, and the root of the version it published. */
async function publishMine(world: World): Promise<{ device: Device; root: string }> {
  const device = await world.firstDevice()
  await device.drive.write('/mine', world.random.bytes(20_000))
  await (await device.start()).syncNow()
  const { root } = (await device.start()).status().published!
  return { device, root }
}
