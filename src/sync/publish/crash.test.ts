import test from 'ava'
import { Killer } from '../../../test/support/sync/crash.js'
import { sweepStep } from '../../../test/support/sweep.js'
import { assertCountsAreExact, World, type Device } from '../../../test/support/sync/world.js'

const STEP = sweepStep(5)
const SMALL_PARTS = { partBlocks: 4, partBytes: 1024 * 1024, concurrentParts: 2 }

/** A few changes of every kind, so that each step of a publish has work to do. */
async function change(world: World, { drive }: Device, round: number): Promise<void> {
  const { random } = world
  await drive.makeDirectory(`/round ${round}`)
  await drive.write(`/round ${round}/body`, random.bytes(200_000))
  await drive.write(`/round ${round}/list`, random.bytes(60_000), 'pages')
  await drive.overwrite('/base', 4096 * random.next(1000), random.bytes(5000))
  await drive.chmod('/twin', 0o600 + (round % 8))
  if (round > 1) await drive.rename(`/round ${round - 1}/body`, `/round ${round}/moved`)
  if (round > 2) await drive.remove(`/round ${round - 1}/moved`)
  if (round > 3) {
    await drive.remove(`/round ${round - 2}/list`)
    await drive.remove(`/round ${round - 2}`)
  }
  await drive.flush()
}

test('R-74 killed at any step, sync continues after a restart: nothing lost, nothing leaked', async (t) => {
  const seed = Number(process.env['SEED'] ?? 7)
  t.log(`seed ${seed}`)
  const world = await World.open(seed)
  t.teardown(() => world.close())
  const device = await world.firstDevice()
  const { drive } = device
  await drive.write('/base', world.random.bytes(5_000_000))
  await drive.write('/twin', world.random.bytes(3000))
  await drive.link('/twin', '/other twin')
  await (await device.start({ settings: SMALL_PARTS })).syncNow()
  let [at, round, isDead] = [1 + world.random.next(STEP), 1, true]
  for (; isDead; at += STEP, round++) {
    await change(world, device, round)
    const killer = new Killer(at)
    const wrap = killer.wrap(device, world.node)
    const sync = await device.start({ ...wrap, settings: SMALL_PARTS })
    await sync.syncNow().catch(() => undefined)
    isDead = killer.isDead
    // In half of the runs the drive changes between the crash and the next start.
    if (isDead && round % 3 === 0) await drive.crash()
    await drive.resume()
    if (round % 2 === 0) await drive.overwrite('/base', 4096 * (at % 700), world.random.bytes(4096))
    if (round % 4 === 1) {
      await drive.remove(`/round ${round}/list`)
      await drive.write(`/round ${round}/list`, world.random.bytes(70_000))
    }
    if (round % 7 === 1) {
      await drive.makeDirectory(`/gone ${round}`)
      await drive.flush()
    }
    if (round % 7 === 2) await drive.remove(`/gone ${round - 1}`)
    await device.stop()
    device.queue.crash()
    const again = await device.start({ settings: SMALL_PARTS })
    await again.syncNow()
    t.deepEqual(await world.seenElsewhere(), await drive.dump(), `killed at step ${at}`)
    if (round % 5 === 0) {
      await again.syncNow()
      await assertCountsAreExact(t, world, device)
    }
  }
  t.log(`${round - 1} of ${at - STEP} steps`)
  t.true(at > 30)
  const last = await device.start()
  await last.syncNow()
  await last.syncNow()
  await assertCountsAreExact(t, world, device)
})
