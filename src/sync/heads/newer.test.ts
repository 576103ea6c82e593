import test, { type ExecutionContext } from 'ava'
import { DriveError, isDriveError } from '../../base/index.js'
import { around } from '../../../test/support/sync/around.js'
import { dumpOf, publish, two } from '../../../test/support/sync/turns.js'
import { assertCountsAreExact, World } from '../../../test/support/sync/world.js'
import { DriveNames } from './drive-names.js'
import { findDrive } from '../fetch/open-existing.js'
import { until } from '../../../test/support/until.js'

let seed = 950
async function world(t: ExecutionContext): Promise<World> {
  t.log(`seed ${seed}`)
  const opened = await World.open(seed++)
  t.teardown(() => opened.close())
  return opened
}

test('an interrupted upload is not dropped', async (t) => {
  const w = await world(t)
  const [a, b] = await two(w)
  const names = new DriveNames(w.keys)
  await a.start()
  await a.drive.write('/from a', w.random.bytes(1000))
  const dying = around(w.node, {
    putName: async () => Promise.reject(new DriveError('OFFLINE', 'gone')),
  })
  await t.throwsAsync((await a.start({ node: dying })).syncNow())
  await a.stop()
  await b.start()
  await b.drive.write('/from b', w.random.bytes(1000))
  await publish(b)
  t.false(await a.takeOver())
  const error = await t.throwsAsync((await a.start()).syncNow())
  t.true(isDriveError(error, 'DIVERGED'))
  t.regex(error.message, /upload of this device is unfinished/)
  t.not(await a.drive.find('/from a'), undefined)
  t.truthy(names)
})

test('an upload interrupted after its names moved is not an unpublished change when another device has built on it', async (t) => {
  for (const cut of ['naming', 'settling']) {
    const w = await world(t)
    const [a, b] = await two(w)
    const names = new DriveNames(w.keys)
    await a.start()
    await a.drive.write('/from a', w.random.bytes(1000))
    const dying = around(w.node, {
      putName: async (name, record, options) => {
        await w.node.putName(name, record, options)
        if (name === names.drive && cut === 'naming') throw new DriveError('OFFLINE', 'gone')
      },
    })
    const deaf = new Proxy(a.drive.port, {
      get: (target, name): unknown => {
        const value = Reflect.get(target, name) as unknown
        if (name === 'published' && cut === 'settling') return () => Promise.reject(new Error('killed'))
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
    await t.throwsAsync((await a.start({ node: dying, port: deaf })).syncNow())
    await a.stop()
    t.true(await b.takeOver())
    await b.start()
    await b.drive.write('/from b', w.random.bytes(1000))
    await publish(b)
    const sync = await a.start()
    await sync.syncNow()
    t.truthy(sync.status().newer)
    t.is(sync.status().lastError, undefined)
    t.is((await a.drive.counts()).dirtyInodes, 0)
    t.true(await a.takeOver())
    t.deepEqual(await dumpOf(a), await dumpOf(b))
    await assertCountsAreExact(t, w, b)
  }
})

test('a running device without unpublished changes reports a newer version, and no failure', async (t) => {
  const w = await world(t)
  const [a, b] = await two(w)
  const sync = await a.start()
  await sync.syncNow()
  t.is(sync.status().newer, undefined)
  await b.start()
  await b.drive.write('/from b', w.random.bytes(1000))
  await publish(b)
  const { height } = (await findDrive(w))!.version.commit
  await sync.syncNow()
  t.deepEqual(sync.status().newer, { height, deviceName: 'device 1' })
  t.is(sync.status().phase, 'idle')
  t.is(sync.status().lastError, undefined)
  await a.drive.write('/from a', w.random.bytes(10))
  t.true(isDriveError(await t.throwsAsync(sync.syncNow()), 'DIVERGED'))
  t.is((await findDrive(w))!.version.commit.height, height)
})

test('a device that opened the drive and went silent claims its slot, whatever was published since', async (t) => {
  const w = await world(t)
  const [a] = await two(w)
  const late = await w.nextDevice()
  // The device gets its start version, and the node is away.
  const away = async (): Promise<never> => Promise.reject(new DriveError('OFFLINE', 'away'))
  await late.start({ node: around(w.node, { getName: away, putName: away, check: away }) })
  await late.stop()
  await a.start()
  await a.drive.write('/more', w.random.bytes(1000))
  await publish(a)
  const own = new DriveNames(w.keys).device(late.slot)
  const sync = await late.start()
  await sync.syncNow()
  t.truthy(sync.status().newer)
  t.truthy(await w.node.getName(own))
  t.true(await late.takeOver())
  t.deepEqual(await dumpOf(late), await dumpOf(a))
  await late.start()
  await late.drive.write('/late', w.random.bytes(1000))
  await publish(late)
  t.true(await a.takeOver())
  t.deepEqual(await dumpOf(a), await dumpOf(late))
})

test('an idle device detects a newer version without a request', async (t) => {
  const w = await world(t)
  const [a, b] = await two(w)
  const sync = await a.start({ settings: { healthCheckMs: 50 } })
  await sync.syncNow()
  await b.start()
  await b.drive.write('/from b', w.random.bytes(1000))
  await publish(b)
  await until(() => sync.status().newer !== undefined)
  t.truthy(sync.status().newer)
  t.is(sync.status().lastError, undefined)
})

test('S-013 a device that only looked follows however many versions came, and none of those between is on the node', async (t) => {
  const w = await world(t)
  const [a, b] = await two(w)
  const sync = await a.start()
  const roots: string[] = []
  for (let i = 0; i < 21; i++) {
    await a.drive.write('/again', w.random.bytes(1000))
    await sync.syncNow()
    roots.push(sync.status().published!.root)
  }
  const gone = new Set(roots.slice(0, -1))
  const collected = around(w.node, {
    getBlock: async (cid, options) => {
      if (gone.has(cid)) throw new DriveError('NOT_FOUND', 'It was collected.')
      return w.node.getBlock(cid, options)
    },
    missing: async (cids, options) => [
      ...cids.filter((cid) => gone.has(cid)),
      ...(await w.node.missing(cids, options)).filter((cid) => !gone.has(cid)),
    ],
  })
  t.true(await b.takeOver({ node: collected }))
  await a.stop()
  t.deepEqual(await dumpOf(b), await dumpOf(a))
})
