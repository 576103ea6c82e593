import test from 'ava'
import { publishedAmount } from './report.js'

const none = { files: 0, bytes: 0 }

test('S-166 an amount of which only a part is known is shown as a minimum', (t) => {
  const levels = { held: none, staged: none, stored: none, published: { files: 14, bytes: 2048 } }
  t.is(publishedAmount({ ...levels, isPartial: true }), 'at least 14 files, 2 KiB')
  t.is(publishedAmount({ ...levels, isPartial: false }), '14 files, 2 KiB')
})
