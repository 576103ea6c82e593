import test, { type ExecutionContext } from 'ava'
import { DriveError, isDriveError, seededRandom, systemClock, type DriveErrorCode } from '../../base/index.js'
import { FailOnce } from '../../../test/support/sync/fail-once.js'
import { sweepStep } from '../../../test/support/sweep.js'
import { publish, two } from '../../../test/support/sync/turns.js'
import { assertCountsAreExact, World, type Device } from '../../../test/support/sync/world.js'
import type { IpfsNode } from '../../node/index.js'
import type { Sync } from '../contract.js'

const STEP = sweepStep(8)
const CODES: readonly DriveErrorCode[] = ['OFFLINE', 'NODE_ERROR', 'TIMEOUT', 'NOT_FOUND', 'NODE_BUSY', 'WRONG_BLOCK']
const AT_ONCE = { offlineMs: 0, partBlocks: 8 }

/**
 * The work of sync for a device through a node. It is done when the promise resolves, and is called again after a
 * failure.
 */
type Act = (node: IpfsNode) => Promise<void>

interface Scene {
  readonly world: World
  readonly device: Device
  readonly act: Act
  /** The node on which the device's state is published afterwards. */
  readonly node: IpfsNode
}

type Stage = (world: World) => Promise<Scene>

/** One sync for all tries, as in a daemon. */
function syncing(device: Device): Act {
  let sync: Sync | undefined
  return async (node) => {
    sync ??= await device.start({ node, settings: AT_ONCE })
    await sync.syncNow()
  }
}

async function changed(world: World, { drive }: Device): Promise<void> {
  await drive.overwrite('/big', 4096 * 100, world.random.bytes(9000))
  await drive.write('/new', world.random.bytes(30_000))
  await drive.remove('/to be removed')
}

const STAGES: Readonly<Record<string, Stage>> = {
  'the first version': async (world) => {
    const device = await world.firstDevice()
    await device.drive.write('/file', world.random.bytes(400_000))
    return { world, device, act: syncing(device), node: world.node }
  },
  'the next version': async (world) => {
    const [device] = await two(world)
    await changed(world, device)
    return { world, device, act: syncing(device), node: world.node }
  },
  'a version on top of another device, pages merged with chunks that are not here': async (world) => {
    const [, device] = await two(world)
    await device.start()
    await changed(world, device)
    return { world, device, act: syncing(device), node: world.node }
  },
  'a version of another device that is taken over, and read': async (world) => {
    const [device, other] = await two(world)
    await other.start()
    await changed(world, other)
    await publish(other)
    const act: Act = async (node) => {
      await device.takeOver({ node })
      await (await device.start({ node, settings: AT_ONCE })).syncNow()
      await device.drive.dump()
    }
    return { world, device, act, node: world.node }
  },
  'a move to another node': async (world) => {
    const [device] = await two(world)
    await changed(world, device)
    const other = await world.openNode('other')
    let isThere = false
    const act: Act = async (node) => {
      if (!isThere) {
        const there = await device.start({ node, isProvisional: true, settings: AT_ONCE })
        await there.syncNow()
        there.keepNode()
        isThere = true
        await there.syncNow()
      } else await (await device.start({ node, settings: AT_ONCE })).syncNow()
    }
    return { world, device, act, node: other }
  },
}

let seed = 1300

interface Tried {
  /** The call that failed; undefined if there are fewer calls. */
  readonly failed: string | undefined
  readonly problem: string | undefined
}

/** One call fails; all later calls succeed. */
async function tryOnce(t: ExecutionContext, stage: Stage, once: FailOnce): Promise<Tried> {
  const world = await World.open(seed++)
  const first = world.node
  try {
    const { device, act, node } = await stage(world)
    const failing = once.wrap(node)
    const errors: unknown[] = []
    await act(failing).catch((error: unknown) => errors.push(error))
    if (errors.length > 0) await act(failing)
    const [error] = errors
    if (error !== undefined && !isDriveError(error))
      return { failed: once.failed, problem: error instanceof Error ? error.message : 'no error' }
    once.disarm()
    world.node = node
    // One more version, for the garbage left by merged pages.
    await act(failing)
    t.is((await device.drive.counts()).dirtyInodes, 0)
    await node.collectGarbage()
    t.deepEqual(await world.seenElsewhere(), await device.drive.dump())
    await assertCountsAreExact(t, world, device)
    return { failed: once.failed, problem: undefined }
  } catch (error) {
    const { code, message } = error instanceof DriveError ? error : { code: '', message: String(error) }
    return { failed: once.failed, problem: `${code} ${message}` }
  } finally {
    const { node } = world
    world.node = first
    await world.close()
    if (node !== first) await node.close()
  }
}

for (const [what, stage] of Object.entries(STAGES)) {
  test(`S-020 S-077 if any one call to the node fails, the next try succeeds: ${what}`, async (t) => {
    t.timeout(10 * 60_000)
    const begin = Number(process.env['SEED'] ?? systemClock.nowMs() % 1_000_000_007)
    t.log(`seed ${begin}`)
    const random = seededRandom(begin)
    const calls = new Set<string>()
    for (let at = 1 + random.next(STEP); ; at += STEP) {
      const isDone = random.next(2) === 1
      const code = CODES[random.next(CODES.length)]!
      const { failed, problem } = await tryOnce(t, stage, new FailOnce({ at, isDone, code }))
      const about = `call ${at} (${failed}) ${isDone ? 'is done, and its answer ' : ''}fails with ${code}`
      t.is(problem, undefined, about)
      if (failed === undefined) break
      calls.add(failed)
    }
    t.log([...calls].join(' '))
    t.true(calls.size > 0)
  })
}
