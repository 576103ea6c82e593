/** What is recorded of a log that was lost with its holder. */
import test from 'ava'
import { noteLostLog } from './note-lost-log.js'

async function noted(lostSinceMs: number | undefined): Promise<{ texts: string[]; drops: number }> {
  const texts: string[] = []
  let drops = 0
  await noteLostLog({ lostSinceMs, drop: () => void drops++ }, { note: async (what) => void texts.push(what) })
  return { texts, drops }
}

test('S-172 a lost log is recorded with its time, and its mark is removed', async (t) => {
  t.deepEqual(await noted(undefined), { texts: [], drops: 0 })
  const { texts, drops } = await noted(Date.UTC(2026, 0, 2, 3, 4, 5))
  t.regex(texts.join(), /since 2026-01-02T03:04:05Z, /)
  t.is(drops, 1)
})

test('S-172 a lost log whose mark has a time beyond all dates is recorded with an unknown one', async (t) => {
  for (const ms of [8.9e15, -8.9e15]) {
    const { texts, drops } = await noted(ms)
    t.regex(texts.join(), /since an unknown time, /)
    t.is(drops, 1)
  }
})
