import test from 'ava'
import { MIB } from '../../base/index.js'
import { Pressure } from './memory-pressure.js'

test('S-066 a thread collects whenever it has grown, however large other threads made the process meanwhile', (t) => {
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

test('a thread whose memory is all in use collects no more until it grows, and a small process leaves it to V8', (t) => {
  const pressure = new Pressure()
  t.false(pressure.isTooMuch(150 * MIB, () => 100 * MIB))
  t.true(pressure.isTooMuch(300 * MIB, () => 100 * MIB))
  pressure.collected(100 * MIB)
  t.false(pressure.isTooMuch(300 * MIB, () => 110 * MIB))
  t.true(pressure.isTooMuch(300 * MIB, () => 125 * MIB))
})
