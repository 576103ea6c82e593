import test from 'ava'
import { DriveError, isDriveError } from '../../base/index.js'
import { around } from '../../../test/support/sync/around.js'
import { Killer } from '../../../test/support/sync/crash.js'
import { sweepStep } from '../../../test/support/sweep.js'
import { dumpOf, publish, two } from '../../../test/support/sync/turns.js'
import { assertCountsAreExact } from '../../../test/support/sync/world.js'
import { DriveNames, UNUSABLE } from '../heads/drive-names.js'
import { SyncState } from '../state/sync-state.js'
import { world, same } from '../../../test/support/sync/take-over-world.js'

const STEP = sweepStep(4)

test('an unreachable node changes nothing', async (t) => {
  const w = await world(t)
  const [a, b] = await two(w)
  const dump = await dumpOf(a)
  await b.start()
  await b.drive.write('/from b', w.random.bytes(1000))
  await publish(b)
  const away = async (): Promise<never> => Promise.reject(new DriveError('OFFLINE', 'away'))
  t.true(isDriveError(await t.throwsAsync(a.takeOver({ node: around(w.node, { getName: away }) })), 'OFFLINE'))
  t.true(isDriveError(await t.throwsAsync(a.takeOver({ node: around(w.node, { getBlock: away }) })), 'OFFLINE'))
  t.deepEqual(await dumpOf(a), dump)
  t.true(await a.takeOver())
  t.deepEqual(await dumpOf(a), await dumpOf(b))
})

test('R-74 killed at any step of a fast-forward, a home is on the old version or on the new one', async (t) => {
  const w = await world(t)
  let [here, there] = await two(w)
  let at = 1 + w.random.next(STEP)
  for (let round = 1, isDead = true; isDead; at += STEP, round++) {
    await here.start()
    await here.drive.overwrite('/big', 4096 * (at * 3), w.random.bytes(5000))
    await here.drive.write(`/new ${round}`, w.random.bytes(3000))
    if (round > 1) await here.drive.remove(`/new ${round - 1}`)
    await publish(here)
    const [old, next] = [await dumpOf(there), await dumpOf(here)]
    const killer = new Killer(at)
    const { node, queue } = killer.wrap(there, w.node)
    await there.takeOver({ node: node!, queue: queue!, drive: killer.drive(there.drive) }).catch(() => undefined)
    isDead = killer.isDead
    there.queue.crash()
    await there.drive.crash()
    // The node is away at the next start: a fast-forward that has begun is completed without it.
    const away = async (): Promise<never> => Promise.reject(new DriveError('OFFLINE', 'away'))
    const isNew = await there
      .takeOver({ node: around(w.node, { getName: away }) })
      .catch((error: unknown) => !isDriveError(error, 'OFFLINE'))
    const dump = await dumpOf(there)
    if (isNew || !isDead) t.deepEqual(dump, next, `killed at step ${at}`)
    else t.true(same(dump, old) || same(dump, next), `killed at step ${at}`)
    // After that, the home is like any other: it continues from the newest version.
    if (!same(dump, next)) t.true(await there.takeOver())
    t.deepEqual(await dumpOf(there), next)
    ;[here, there] = [there, here]
  }
  t.log(`every ${STEP}th of ${at - STEP} steps`)
  t.true(at > 15)
  await publish(here)
  await assertCountsAreExact(t, w, here)
})

for (const isClaimed of [true, false]) {
  const how = isClaimed ? 'its head was moved' : 'its head could not be moved'
  test(`S-125 killed in a fast-forward, then two versions from elsewhere and a garbage collection: the newest is there (${how})`, async (t) => {
    const w = await world(t)
    const [a, b] = await two(w)
    const turn = async (name: string): Promise<void> => {
      await b.start()
      await b.drive.write(name, w.random.bytes(40_000))
      await b.drive.write('/folder/pages', w.random.bytes(50_000), 'pages')
      await publish(b)
    }
    await turn('/one')
    const names = new DriveNames(w.keys)
    const putName = async (): Promise<never> => Promise.reject(new DriveError('OFFLINE', 'away'))
    const node = isClaimed ? w.node : around(w.node, { putName })
    const wipe = a.drive.wipe.bind(a.drive)
    a.drive.wipe = () => Promise.reject(new Error('killed'))
    await t.throwsAsync(a.takeOver({ node }), { message: 'killed' })
    a.drive.wipe = wipe
    const noted = new SyncState(a.queue).takeOver!.version.root
    const head = await names.read(names.device(a.slot), w.node)
    if (head === undefined || head === UNUSABLE) return t.fail()
    t.is(Buffer.compare(head.root, noted) === 0, isClaimed, 'where the head of the device is')
    await turn('/two')
    await turn('/three')
    await w.node.collectGarbage()
    t.true(await a.takeOver())
    t.deepEqual(await dumpOf(a), await dumpOf(b))
    await a.start()
    await a.drive.write('/four', w.random.bytes(1000))
    await publish(a)
    t.deepEqual(await w.seenElsewhere(), await dumpOf(a))
  })
}

test('S-125 between a fast-forward and the first check of sync, the node keeps the version that a device took over', async (t) => {
  const w = await world(t)
  const [a, b] = await two(w)
  const turn = async (name: string): Promise<void> => {
    await b.start()
    await b.drive.write(name, w.random.bytes(40_000))
    await publish(b)
  }
  await turn('/one')
  const dump = await dumpOf(b)
  t.true(await a.takeOver())
  await turn('/two')
  await turn('/three')
  await w.node.collectGarbage()
  t.deepEqual(await dumpOf(a), dump, 'all of it is read from the node')
})
