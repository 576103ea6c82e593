import { execFileSync } from 'node:child_process'
import test from 'ava'
import { doctorCommand } from './daemon-process.js'

/** A collection first, because V8 computes the limit from what it leaves; then buffers that start others. */
const LOAD = `
  gc()
  const kept = []
  const fill = () => {
    for (let i = 0; i < 8; i++) kept.push(Buffer.allocUnsafeSlow(1 << 20))
    if (kept.length < 256) setImmediate(fill)
  }
  fill()`

test('S-005 V8 starts no full collection of a small heap with its buffers below 48 MiB', (t) => {
  const flags = doctorCommand().arguments.filter((word) => word.startsWith('--'))
  const words = [...flags, '--expose-gc', '--trace-incremental-marking', '-e', LOAD]
  const trace = execFileSync(process.execPath, words, { encoding: 'utf8' })
  const limits = [...trace.matchAll(/Start \(.*?v8: \d+MB \/ (\d+)MB/g)].map(([, limit]) => Number(limit))
  t.true(limits.length > 0, trace)
  t.true(
    limits.every((limit) => limit >= 48),
    limits.join(),
  )
})
