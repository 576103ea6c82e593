import test from 'ava'
import { CutOff } from '../../../test/support/sync/cut-off.js'
import { World, type Device } from '../../../test/support/sync/world.js'
import { openExisting } from '../fetch/open-existing.js'

async function change(world: World, { drive }: Device, round: number): Promise<void> {
  await drive.write(`/round ${round}`, world.random.bytes(30_000))
  await drive.write('/again', world.random.bytes(50_000))
  const old = `/round ${round - 2}`
  if ((await drive.find(old)) !== undefined) await drive.remove(old)
}

/** Each lost device leaves a head, which all later devices read. */
const LOST_A_WORLD = 4

test('S-030 a device lost for good after any node call of a publish, then garbage collected: the phrase opens everything published', async (t) => {
  let at = 1
  for (let isCut = true; isCut;) {
    const world = await World.open(30 + at)
    let device = await world.firstDevice()
    await change(world, device, 0)
    await (await device.start()).syncNow()
    for (let round = 1; round <= LOST_A_WORLD && isCut; round++, at++) {
      const before = await world.seenElsewhere()
      await change(world, device, round)
      const after = await device.drive.dump()
      const cut = new CutOff(at)
      const sync = await device.start({ node: cut.wrap(world.node) })
      const isPublished = await sync.syncNow().then(
        () => true,
        () => false,
      )
      isCut = cut.isCut
      await device.stop()
      await world.node.collectGarbage()
      const seen = await world.seenElsewhere()
      const isNew = `/round ${round}` in seen
      if (isPublished) t.true(isNew, `published, cut after call ${at}, but missing`)
      t.deepEqual(seen, isNew ? after : before, `cut after call ${at}`)
      // The home is lost with its machine; another device continues the drive.
      device = await world.nextDevice()
      await (await device.start()).syncNow()
    }
    await world.close()
  }
  t.log(`${at - 1} points`)
  t.true(at > 20)
})

test("S-030 a pin that another device's head points to stays, whoever publishes", async (t) => {
  const world = await World.open(32)
  t.teardown(() => world.close())
  const first = await world.firstDevice()
  await change(world, first, 0)
  await (await first.start()).syncNow()
  const second = await world.nextDevice()
  const seenBySecond = (await openExisting(world)).version.root
  await (await second.start()).syncNow()
  await second.stop()
  await change(world, first, 1)
  const sync = await first.start()
  await sync.syncNow()
  await change(world, first, 2)
  await sync.syncNow()
  await world.node.collectGarbage()
  await world.fetch(seenBySecond, 'dag-pb')
  t.deepEqual(
    (await second.drive.dump())['/again'],
    (await second.drive.dump())['/again'],
    'the version it opened is still there',
  )
  const pins = (await world.node.listPins()).length
  t.is(pins, 2, "the newest version and the second device's head")
})

test('S-030 a device moves its head to the version it takes over, so that the version before may be unpinned', async (t) => {
  const world = await World.open(33)
  t.teardown(() => world.close())
  const first = await world.firstDevice()
  await change(world, first, 0)
  const sync = await first.start()
  await sync.syncNow()
  const second = await world.nextDevice()
  await (await second.start()).syncNow()
  for (let round = 1; round < 4; round++) {
    await change(world, first, round)
    await sync.syncNow()
    t.true(await second.takeOver())
    await (await second.start()).syncNow()
    t.is(
      (await world.node.listPins()).length,
      2,
      'the newest version and the one the second device had when it was published',
    )
    await world.node.collectGarbage()
    t.deepEqual(await second.drive.dump(), await first.drive.dump())
  }
})
