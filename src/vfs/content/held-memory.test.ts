import test from 'ava'
import { systemClock } from '../../base/index.js'
import { RiskGauge } from '../../tree-state/index.js'
import { HeldMemory } from '../staging/held-memory.js'

test('a buffer that is released twice is given to one writer only', (t) => {
  const held = new HeldMemory(systemClock, new RiskGauge())
  const slot = held.takeSlot()!
  held.releaseSlot(slot)
  held.releaseSlot(slot)
  t.is(held.takeSlot(), slot)
  t.not(held.takeSlot(), slot)
})
