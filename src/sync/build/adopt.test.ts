import test, { type ExecutionContext } from 'ava'
import { DriveError } from '../../base/index.js'
import { around } from '../../../test/support/sync/around.js'
import type { RealDevice } from '../../../test/support/sync/real-device.js'
import { startDevice } from '../../../test/support/sync/started-device.js'
import type { World } from '../../../test/support/sync/world.js'
import type { DrivePort } from '../../tree-state/index.js'

const KIB = 1024
const TRIES = 6

/** A published file of 4 MiB with fixed-size chunks. */
async function start(t: ExecutionContext, seed: number): Promise<{ world: World; device: RealDevice }> {
  const { world, device } = await startDevice(t, seed)
  await device.write('/database', 0, world.random.bytes(4096 * KIB))
  await device.sync.syncNow()
  t.is(await onlyCopyBytes(device), 0)
  return { world, device }
}

async function onlyCopyBytes({ port }: RealDevice): Promise<number> {
  const { cacheUsedBytes, cacheEvictableBytes } = await port.counts()
  return cacheUsedBytes - cacheEvictableBytes
}

/** Writes scattered pages, which the next build merges into new chunks. */
async function writePages({ random }: World, device: RealDevice): Promise<void> {
  for (let i = 0; i < 10; i++) await device.write('/database', i * 400 * KIB, random.bytes(4 * KIB), { sync: true })
}

/** A port that calls `after` after each `adopt`. */
function withAdopt(port: DrivePort, after: () => Promise<void>): DrivePort {
  const adopt = async (blocks: Parameters<DrivePort['adopt']>[0]): Promise<void> => {
    await port.adopt(blocks)
    await after()
  }
  return new Proxy(port, {
    get: (target, name) => {
      const value = Reflect.get(target, name) as unknown
      if (name === 'adopt') return adopt
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

test('S-037 repeatedly failing builds take no space: adopted blocks are given back', async (t) => {
  const { world, device } = await start(t, 81)
  await device.close()
  const fails = (): Promise<never> => Promise.reject(new DriveError('OFFLINE', 'The build fails here.'))
  await device.open((port) => ({ port: withAdopt(port, fails) }))
  for (let i = 0; i < TRIES; i++) {
    await writePages(world, device)
    await t.throwsAsync(device.sync.syncNow(), { code: 'OFFLINE' })
    t.is(await onlyCopyBytes(device), 0, `try ${i}`)
  }
  const before = await device.dump()
  await device.close()
  await device.open()
  await device.sync.syncNow()
  await device.sync.syncNow()
  t.is(await onlyCopyBytes(device), 0)
  t.deepEqual(await device.dump(), before)
})

test('S-037 blocks adopted by a killed build are given back by the next one', async (t) => {
  const { world, device } = await start(t, 82)
  await writePages(world, device)
  await device.close()
  const [whenAdopted, released] = [gate(), gate()]
  const hangs = (): Promise<void> => (whenAdopted.open(), released.opened)
  await device.open((port) => ({ port: withAdopt(port, hangs) }))
  device.sync.syncNow().catch(() => undefined)
  await whenAdopted.opened
  t.true((await onlyCopyBytes(device)) > 0)
  const killed = device.kill()
  released.open()
  await killed
  // Different content, so that the next build makes different blocks.
  await writePages(world, device)
  await device.sync.syncNow()
  await device.sync.syncNow()
  t.is(await onlyCopyBytes(device), 0)
})

test('S-037 blocks adopted for an abandoned upload are given back', async (t) => {
  const { world, device } = await start(t, 83)
  await device.close()
  let isFull = true
  await device.open(() => ({
    node: around(world.node, {
      // A node on the disk of this machine.
      check: async (options) => ({ ...(await world.node.check(options)), kind: 'embedded' }),
      importBlocks: (blocks, options) =>
        isFull
          ? Promise.reject(new DriveError('NO_SPACE', 'The disk is full.'))
          : world.node.importBlocks(blocks, options),
    }),
  }))
  await writePages(world, device)
  await t.throwsAsync(device.sync.syncNow(), { code: 'NO_SPACE' })
  t.is(await onlyCopyBytes(device), 0)
  isFull = false
  await writePages(world, device)
  await device.sync.syncNow()
  await device.sync.syncNow()
  t.is(await onlyCopyBytes(device), 0)
})

function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open: () => open() }
}
