import test, { type ExecutionContext } from 'ava'
import { VirtualClock } from '../../../test/support/virtual-clock.js'
import { DriveError, seededRandom, silentLog } from '../../base/index.js'
import type { IpfsNode, NodeStatus } from '../../node/index.js'
import { BackOff } from './back-off.js'
import { NodeHealth } from './node-health.js'

const STATUS: NodeStatus = {
  kind: 'kubo',
  where: 'http://node:5001',
  sameMachine: false,
  version: '0.43.1',
  peerId: undefined,
  blocks: undefined,
  bytes: undefined,
}
const SECOND = 1000
const OFFLINE = (): DriveError => new DriveError('OFFLINE', 'The node cannot be reached.')

interface Watched {
  readonly health: NodeHealth
  readonly clock: VirtualClock
  /** Times of the calls, in seconds. */
  readonly probes: number[]
  readonly checks: number[]
  /** `isBack` of each change. */
  readonly changes: boolean[]
  isWaiting: boolean
  failure: DriveError | undefined
}

function watched(t: ExecutionContext): Watched {
  const clock = new VirtualClock()
  const seconds = (): number => clock.monotonicMs() / SECOND
  const answer = async (): Promise<void> => {
    if (world.failure !== undefined) throw world.failure
  }
  const node: Pick<IpfsNode, 'check' | 'probe'> = {
    check: () => (checks.push(seconds()), answer().then(() => STATUS)),
    probe: () => (probes.push(seconds()), answer()),
  }
  const [probes, checks, changes]: [number[], number[], boolean[]] = [[], [], []]
  const health = new NodeHealth({
    node,
    clock,
    random: seededRandom(7),
    log: silentLog,
    settings: { healthCheckMs: 300 * SECOND, probeMs: 10 * SECOND, probeSpreadMs: 5 * SECOND },
    isWaiting: () => world.isWaiting,
    onChange: (isBack) => changes.push(isBack),
  })
  const world: Watched = { health, clock, probes, checks, changes, isWaiting: false, failure: undefined }
  health.start()
  t.teardown(() => health.close())
  return world
}

test('R-21 a node that nobody waits for gets a full probe every five minutes', async (t) => {
  const { health, clock, checks, probes } = watched(t)
  await clock.advance(1000 * SECOND)
  t.deepEqual(checks, [0, 300, 600, 900])
  t.deepEqual(probes, [])
  t.is(health.state, 'reachable')
  t.is(health.ageMs, 100 * SECOND)
})

test('S-049 while anything waits, the node gets the cheap probe every 10 to 15 s', async (t) => {
  const world = watched(t)
  await world.clock.advance(SECOND)
  world.isWaiting = true
  world.health.look()
  await world.clock.advance(200 * SECOND)
  t.true(world.probes.length >= 12, `${world.probes.length} probes`)
  for (let at = 1; at < world.probes.length; at++) {
    const gap = world.probes[at]! - world.probes[at - 1]!
    t.true(gap >= 10 && gap <= 15, `${gap} s`)
  }
  t.deepEqual(world.checks, [0])
})

test('S-049 a failed read or upload changes the state at once, and an answer changes it back', async (t) => {
  const { health, clock, probes, changes } = watched(t)
  await clock.advance(SECOND)
  changes.length = 0
  health.failed(OFFLINE())
  t.is(health.state, 'unreachable')
  t.is(health.ageMs, 0)
  t.regex(health.error?.message ?? '', /reached/)
  await clock.advance(0)
  t.is(probes.length, 1, 'a failure causes a probe')
  t.is(health.state, 'reachable')
  t.deepEqual(changes, [false, false], 'the node was never away, so no retry is brought forward')
  health.failed(new DriveError('TIMEOUT', 'The node went silent.'))
  t.is(health.state, 'unreachable')
  health.answered()
  t.is(health.state, 'reachable')
})

test('S-049 a node that comes back is noticed within 15 s, and the waiting callers are told', async (t) => {
  const world = watched(t)
  await world.clock.advance(SECOND)
  world.failure = OFFLINE()
  world.health.failed(OFFLINE())
  await world.clock.advance(100 * SECOND)
  t.is(world.health.state, 'unreachable')
  t.true((world.health.ageMs ?? Infinity) <= 15 * SECOND, 'the known state is never old while the node is away')
  t.false(world.changes.includes(true))
  world.failure = undefined
  await world.clock.advance(15 * SECOND)
  t.is(world.health.state, 'reachable')
  t.is(world.changes.filter((isBack) => isBack).length, 1)
})

test('S-008 a refusal stays until the refused work succeeds, or the node allows the refused caller again', async (t) => {
  const world = watched(t)
  await world.clock.advance(SECOND)
  world.health.failed(new DriveError('NODE_DENIED', 'The node refused access.'))
  world.isWaiting = true
  await world.clock.advance(60 * SECOND)
  t.is(world.health.state, 'denied', 'an answer to `version` proves nothing')
  t.false(world.changes.includes(true))
  world.health.succeeded()
  t.is(world.health.state, 'reachable')
  world.failure = new DriveError('NODE_DENIED', 'The node refused access.')
  await world.clock.advance(20 * SECOND)
  t.is(world.health.state, 'denied')
  world.failure = undefined
  await world.clock.advance(15 * SECOND)
  t.is(world.health.state, 'reachable')
  t.true(world.changes.includes(true))
})

test('an error that the node did not cause leaves its state; an error message from the node is an answer', async (t) => {
  const { health, clock } = watched(t)
  await clock.advance(SECOND)
  for (const code of ['CORRUPT', 'NO_SPACE', 'ABORTED', 'DIVERGED'] as const) health.failed(new DriveError(code, 'x'))
  health.failed(new DriveError('TIMEOUT', 'x', { about: { said: 'context deadline exceeded' } }))
  health.failed(new DriveError('NODE_ERROR', 'x'))
  t.is(health.state, 'reachable')
})

test('closing ends the probes, and leaves no timer', async (t) => {
  const { health, clock, checks } = watched(t)
  await clock.advance(SECOND)
  await health.close()
  await clock.advance(1000 * SECOND)
  t.deepEqual(checks, [0])
  t.is(clock.waiting, 0)
})

test('S-049 manual tries do not count: they do not delay an automatic retry', (t) => {
  const clock = new VirtualClock()
  const backOff = new BackOff(clock, { firstRetryMs: 1000, lastRetryMs: 300_000 })
  t.is(backOff.failed(OFFLINE()), 1000)
  for (let hand = 0; hand < 20; hand++) t.is(backOff.failed(OFFLINE(), { byHand: true }), 1000)
  t.is(backOff.failed(OFFLINE()), 2000)
  const fresh = new BackOff(clock, { firstRetryMs: 1000, lastRetryMs: 300_000 })
  t.is(fresh.failed(OFFLINE(), { byHand: true }), 1000, 'the very first failure is retried soon')
  t.is(fresh.failed(OFFLINE()), 1000)
})
