import test, { type ExecutionContext } from 'ava'
import { started, until } from '../../../test/support/sync/scheduled.js'
import { DriveError } from '../../base/index.js'
import type { IpfsNode } from '../../node/index.js'

const LONG_MS = 100 * 3_600_000
/** A look is due only if something makes it so. */
const SETTINGS = { debounceMs: 1000, healthCheckMs: LONG_MS, probeMs: 1000, scrubBytesPerSecond: 0 }

/** A published drive, on a node that can be replaced by an empty one, or be away. */
async function onReplaceable(t: ExecutionContext) {
  let now: IpfsNode | undefined
  let isAway = false
  const begun = await started(t, SETTINGS, (w) => {
    now = w.node
    return new Proxy(w.node, {
      get: (_, name) => {
        const value: unknown = Reflect.get(now!, name)
        if (typeof value !== 'function') return value
        return (...given: unknown[]): unknown =>
          isAway ? Promise.reject(new DriveError('OFFLINE', 'Away.')) : Reflect.apply(value, now, given)
      },
    })
  })
  const { w, device, sync, clock } = begun
  device.drive.clock = clock
  await device.drive.write('/file', w.random.bytes(20_000))
  await until(clock, () => sync.status().published !== undefined && sync.status().phase === 'idle')
  const other = await w.openNode('other')
  t.teardown(() => other.close())
  const lost: boolean[] = []
  sync.onChange(({ isLostByNode }) => lost.push(isLostByNode))
  const isRestored = async (): Promise<boolean> => (await other.listPins()).length > 0
  return {
    ...begun,
    lost,
    isRestored,
    goAway: () => void (isAway = true),
    comeBackEmpty: () => {
      now = other
      isAway = false
    },
  }
}

test('S-181 a node that is back after it was away is asked at once whether it has the version', async (t) => {
  const { device, sync, clock, lost, isRestored, goAway, comeBackEmpty } = await onReplaceable(t)
  goAway()
  await t.throwsAsync(sync.remote.fetchBlocks([[...device.drive.evictable][0]!]), { code: 'OFFLINE' })
  await until(clock, () => sync.status().node.state === 'unreachable')
  comeBackEmpty()
  await until(clock, () => lost.includes(true))
  await until(clock, () => sync.status().phase === 'idle' && !sync.status().isLostByNode)
  t.true(await isRestored())
})

test('S-181 a node that lacks a block when it is read is asked whether it has the version', async (t) => {
  const { device, sync, clock, lost, isRestored, comeBackEmpty } = await onReplaceable(t)
  comeBackEmpty()
  const [digest] = device.drive.evictable
  t.truthy(digest)
  await t.throwsAsync(sync.remote.fetchBlocks([digest!]), { code: 'NODE_ERROR' })
  await until(clock, () => lost.includes(true))
  await until(clock, () => sync.status().phase === 'idle' && !sync.status().isLostByNode)
  t.true(await isRestored())
})
