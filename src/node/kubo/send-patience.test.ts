import test from 'ava'
import { VirtualClock } from '../../../test/support/virtual-clock.js'
import { MIB } from '../../base/index.js'
import { SendPatience } from './send-patience.js'

/** A step in which the node needs `ms` for the bytes. */
async function sending(clock: VirtualClock, patience: SendPatience, ms: number, bytes: number): Promise<void> {
  const step = new Promise<void>((resolve) => clock.after(ms, resolve))
  const during = patience.during(step, bytes)
  await clock.advance(ms)
  await during
}

test('S-047 an upload that the node accepts too slowly is given up; time this side needs does not count', async (t) => {
  let given = 0
  const clock = new VirtualClock()
  const patience = new SendPatience(500, () => given++, clock)
  await sending(clock, patience, 1, 0)
  await clock.advance(600) // making the next block
  await sending(clock, patience, 1, 0)
  t.is(given, 0)
  await sending(clock, patience, 497, 0)
  t.is(given, 0)
  await sending(clock, patience, 2, 0)
  t.is(given, 1)
})

test('S-047 every byte the node accepts extends its time budget', async (t) => {
  let given = 0
  const clock = new VirtualClock()
  const patience = new SendPatience(1, () => given++, clock)
  for (let at = 0; at < 5; at++) await sending(clock, patience, 20, MIB)
  t.is(given, 0)
})
