import test from 'ava'
import { MIB } from '../../base/index.js'
import { Pressure } from './memory-pressure.js'

test('S-066 a thread collects whenever it has grown, regardless of the memory of other threads', (t) => {
  const pressure = new Pressure()
  let [garbage, collections, highest] = [0, 0, 0]
  const others = 350 * MIB
  for (let i = 0; i < 400; i++) {
    garbage += 2 * MIB
    const own = (): number => 40 * MIB + garbage
    highest = Math.max(highest, own())
    if (!pressure.isTooMuch(others + own(), own)) continue
    garbage = 0
    collections++
    pressure.collected(own())
  }
  t.true(collections > 20, `${collections}`)
  t.true(highest <= 66 * MIB, `${highest / MIB}`)
})

test('a thread whose memory is in use does not collect until it grows, and in a small process only V8 decides', (t) => {
  const pressure = new Pressure()
  t.false(pressure.isTooMuch(150 * MIB, () => 100 * MIB))
  t.true(pressure.isTooMuch(300 * MIB, () => 100 * MIB))
  pressure.collected(100 * MIB)
  t.false(pressure.isTooMuch(290 * MIB, () => 110 * MIB))
  t.true(pressure.isTooMuch(290 * MIB, () => 125 * MIB))
  t.false(pressure.isTooMuch(310 * MIB, () => 105 * MIB))
  t.true(pressure.isTooMuch(310 * MIB, () => 110 * MIB))
})
