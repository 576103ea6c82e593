import { requireKubo, testWithKubo } from '../../../test/kubo/require-kubo.js'
import { RealDevice } from '../../../test/support/sync/real-device.js'
import { assertCountsAreExact, World } from '../../../test/support/sync/world.js'
import { isDriveError } from '../../base/index.js'
import { until } from '../../../test/support/until.js'

testWithKubo('R-21 R-22 through a real Kubo: published, changed, seen on a second device, one pin', async (t) => {
  const kubo = await requireKubo(t)
  const world = await World.open(400, kubo.url)
  t.teardown(() => world.close())
  const device = await world.firstDevice()
  await device.drive.makeDirectory('/docs')
  for (let i = 0; i < 50; i++) await device.drive.write(`/docs/file ${i}`, world.random.bytes(5000))
  await device.drive.write('/big', world.random.bytes(4_000_000))
  const sync = await device.start()
  await sync.syncNow()
  t.deepEqual(await world.seenElsewhere(), await device.drive.dump())
  for (let round = 0; round < 3; round++) {
    await device.drive.overwrite('/big', 4096 * round, world.random.bytes(4096))
    await device.drive.remove(`/docs/file ${round}`)
    await sync.syncNow()
    t.deepEqual(await world.seenElsewhere(), await device.drive.dump())
    await world.node.collectGarbage()
  }
  const pins = (await world.node.listPins()).filter(({ name }) => name.startsWith('dagdrive '))
  t.is(pins.length, 1)
  t.deepEqual(await world.seenElsewhere(), await device.drive.dump())
  await sync.syncNow()
  await assertCountsAreExact(t, world, device)
})

testWithKubo('Kubo killed in the middle of an upload: the rest is sent after it is back', async (t) => {
  const kubo = await requireKubo(t)
  const world = await World.open(401, kubo.url)
  t.teardown(() => world.close())
  const device = await RealDevice.first(world)
  t.teardown(async () => {
    await device.close()
    device.remove()
  })
  await device.sync.syncNow()
  for (let i = 0; i < 8; i++) await device.write(`/big ${i}`, 0, world.random.bytes(8_000_000))
  const interrupted = device.sync.syncNow()
  interrupted.catch(() => undefined)
  await until(() => device.sync.status().bytes.done > 0, 5)
  await kubo.kill()
  const error = await t.throwsAsync(interrupted)
  t.true(isDriveError(error) && error.retry !== 'never', error.message)
  t.is(device.sync.status().lastError?.message, error.message)
  await kubo.restart()
  await device.sync.syncNow()
  const other = await RealDevice.next(world)
  t.deepEqual(await other.dump(), await device.dump())
  await other.close()
  other.remove()
})
