import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { silentLog } from '../../base/index.js'
import { Losses } from './losses.js'

const DAY_MS = 24 * 3_600_000

function world(t: ExecutionContext): { file: string; open: () => Losses; pass: (days: number) => void } {
  const folder = mkdtempSync(join(tmpdir(), 'dagdrive-losses-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'losses.json')
  let nowMs = Date.UTC(2026, 0, 1)
  const clock = { nowMs: () => nowMs }
  return { file, open: () => new Losses({ file, clock, log: silentLog }), pass: (days) => (nowMs += days * DAY_MS) }
}

test('S-096 a loss is kept through restarts until it was shown for a week', async (t) => {
  const { open, pass } = world(t)
  t.deepEqual(await open().show(), [])
  await open().note('One.')
  pass(100)
  t.deepEqual(await open().show(), ['2026-01-01T00:00Z: One.'], 'also if no status was requested for a long time')
  pass(6)
  await open().note('Two.')
  t.deepEqual(await open().show(), ['2026-01-01T00:00Z: One.', '2026-04-17T00:00Z: Two.'])
  pass(1)
  t.deepEqual(await open().show(), ['2026-04-17T00:00Z: Two.'])
  pass(6)
  t.deepEqual(await open().show(), [])
})

test('S-096 losses recorded and shown at the same time are all kept, a repeated loss is kept once, and their number is bounded', async (t) => {
  const { open } = world(t)
  const losses = open()
  await Promise.all([losses.note('One.'), losses.show(), losses.note('Two.'), losses.note('Two.')])
  t.deepEqual(
    (await open().show()).map((line) => line.slice(-4)),
    ['One.', 'Two.'],
  )
  for (let i = 0; i < 30; i++) await losses.note(`Loss ${i}.`)
  t.is((await losses.show()).length, 20)
})

test('S-096 a damaged record does not prevent new losses from being shown', async (t) => {
  const { file, open } = world(t)
  for (const text of ['{', '{}', '[1, null, {"atMs": 1e300, "what": "x"}, {"what": "y", "atMs": "z"}]']) {
    writeFileSync(file, text)
    t.deepEqual(await open().show(), [])
    await open().note('New.')
    t.is((await open().show()).length, 1)
  }
})
