/** A device whose sync runs on virtual time. */
import { type ExecutionContext } from 'ava'
import { sleep } from '../../../src/base/index.js'
import { World, type Device } from './world.js'
import { VirtualClock } from '../virtual-clock.js'
import type { Sync } from '../../../src/sync/contract.js'

/** Time passes only while both sync and its node probe sleep, so a slow machine cannot break these schedules. */
const SLEEPERS = 2

let seed = 300

/** Each world of a test file has a seed of its own. */
export const nextSeed = (): number => seed++

interface Started {
  readonly w: World
  readonly device: Device
  readonly sync: Sync
  readonly clock: VirtualClock
}

export async function started(
  t: ExecutionContext,
  settings: NonNullable<Parameters<Device['start']>[0]>['settings'],
  node?: (w: World, clock: VirtualClock) => NonNullable<Parameters<Device['start']>[0]>['node'],
): Promise<Started> {
  const w = await World.open(nextSeed())
  t.teardown(() => w.close())
  const device = await w.firstDevice()
  const clock = new VirtualClock()
  const wrapped = node?.(w, clock)
  const settled = { leastIntervalMs: 10, ...settings }
  const sync = await device.start({ clock, settings: settled, ...(wrapped && { node: wrapped }) })
  return { w, device, sync, clock }
}

/** Lets time pass until the condition holds, at most `ms` of it. */
export async function until(clock: VirtualClock, condition: () => boolean, ms = 7_200_000): Promise<void> {
  const endMs = clock.monotonicMs() + ms
  while (!condition()) {
    if (clock.monotonicMs() > endMs) throw new Error('waited too long')
    await step(clock)
  }
}

export async function pass(clock: VirtualClock, ms: number): Promise<void> {
  const endMs = clock.monotonicMs() + ms
  while (clock.monotonicMs() < endMs) await step(clock)
}

async function step(clock: VirtualClock): Promise<void> {
  if (clock.waiting >= SLEEPERS) await clock.advance(5)
  else await sleep(1)
}

export const edit = async (w: World, { drive }: Device, clock: VirtualClock): Promise<void> => {
  drive.clock = clock
  await drive.write('/file', w.random.bytes(100))
}
