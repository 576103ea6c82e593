import test from 'ava'
import { systemClock } from '../../base/index.js'
import { RiskGauge } from '../../tree-state/index.js'
import { Background, type BackgroundParts } from './background.js'
import { HeldMemory } from '../staging/held-memory.js'

test('R-12 a writer sleeps until a buffer comes back from the pipeline, and then continues', async (t) => {
  const held = new HeldMemory(systemClock, new RiskGauge(), 1)
  let rounds = 0
  const sealing = { flushBatch: () => rounds++ }
  const background = new Background({ clock: systemClock, held, sealing } as unknown as BackgroundParts, () => 0)
  t.teardown(() => background.close())
  const slots = []
  for (let slot = held.takeSlot(); slot !== undefined; slot = held.takeSlot()) slots.push(slot)
  let hasRoom = false
  const writer = async (): Promise<void> => {
    while (!held.hasSlot) await held.whenRoom()
    hasRoom = true
  }
  const written = writer()
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve))
  t.false(hasRoom)
  t.true(rounds < 10, `${rounds} rounds in 100 turns`)
  held.releaseSlot(slots[0]!)
  await written
  t.true(hasRoom)
})
