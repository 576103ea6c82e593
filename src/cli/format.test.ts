import test from 'ava'
import { progressLine } from './terminal.js'
import { formatBytes, formatCount, formatDuration } from './format.js'

test('bytes, durations and counts are formatted for people', (t) => {
  t.deepEqual([0, 999, 1000, 1536, 10 * 1024, 123_456_789, 5 * 1024 ** 3].map(formatBytes), [
    '0 B',
    '999 B',
    '0.98 KiB',
    '1.5 KiB',
    '10 KiB',
    '118 MiB',
    '5 GiB',
  ])
  t.deepEqual([0, 400, 59_600, 61_000, 3_725_000, 90_000_000].map(formatDuration), [
    '0 s',
    '0 s',
    '1 min',
    '1 min 1 s',
    '1 h 2 min',
    '1 d 1 h',
  ])
  t.deepEqual(
    [formatCount(1, 'file'), formatCount(1234, 'file'), formatCount(2, 'try', 'tries')],
    ['1 file', '1,234 files', '2 tries'],
  )
})

test('progress shows the share done, the time left and the reason for waiting', (t) => {
  t.is(
    progressLine({
      phase: 'uploading',
      doneBytes: 5 * 1024,
      totalBytes: 10 * 1024,
      remainingMs: 2000,
      lastError: undefined,
    }),
    'uploading · 5 KiB of 10 KiB (50%) · 2 s left',
  )
  t.is(
    progressLine({
      phase: 'waiting',
      doneBytes: 0,
      totalBytes: 0,
      remainingMs: undefined,
      lastError: 'The node is away.',
    }),
    'waiting · The node is away.',
  )
  const restoring = {
    phase: 'restoring',
    doneBytes: 0,
    totalBytes: 0,
    remainingMs: undefined,
    lastError: undefined,
  } as const
  t.is(progressLine(restoring), 'sending again what the node has lost')
})
