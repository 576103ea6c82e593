import test, { type ExecutionContext } from 'ava'
import { ReplayTries, TRIES_NUMBERS } from './replay-tries.js'

test('S-134 an operation whose replay ended two threads of one process is skipped, others are not', (t: ExecutionContext) => {
  const numbers = new Float64Array(TRIES_NUMBERS)
  for (const isSkipped of [false, false, true]) {
    const tries = new ReplayTries(numbers, 7)
    t.false(tries.skips(0))
    t.is(tries.skips(128), isSkipped)
    if (isSkipped) t.false(tries.skips(256))
  }
  t.false(new ReplayTries(numbers, 7).skips(0))
  const tries = new ReplayTries(numbers, 7)
  t.false(tries.skips(128), 'another one was replayed when the last thread died')
  tries.done()
  t.false(new ReplayTries(numbers, 7).skips(128))
})

test('S-134 kills of the daemon do not count against an operation', (t: ExecutionContext) => {
  const numbers = new Float64Array(TRIES_NUMBERS)
  for (let server = 1; server < 10; server++) t.false(new ReplayTries(numbers, server).skips(128))
})
