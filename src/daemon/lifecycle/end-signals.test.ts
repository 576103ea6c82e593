import { EventEmitter } from 'node:events'
import test, { type ExecutionContext } from 'ava'
import { catchEndSignals } from './end-signals.js'

test('S-101 a signal that comes before the daemon listens is kept', (t: ExecutionContext) => {
  const target = new EventEmitter()
  const signals = catchEndSignals(target as unknown as NodeJS.Process)
  target.emit('SIGTERM')
  target.emit('SIGINT')
  const got: string[] = []
  signals.listen((signal) => got.push(signal))
  target.emit('SIGHUP')
  t.deepEqual(got, ['SIGTERM', 'SIGHUP'])
})
