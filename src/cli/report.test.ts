import test from 'ava'
import { publishedAmount, statusText } from './report.js'

const none = { files: 0, bytes: 0 }

test('S-166 an amount of which only a part is known is shown as a minimum', (t) => {
  const levels = { held: none, staged: none, stored: none, published: { files: 14, bytes: 2048 } }
  t.is(publishedAmount({ ...levels, isPartial: true }), 'at least 14 files, 2 KiB')
  t.is(publishedAmount({ ...levels, isPartial: false }), '14 files, 2 KiB')
  t.is(publishedAmount({ ...levels, published: none, isPartial: true }), 'not counted yet')
  t.is(publishedAmount({ ...levels, published: none, isPartial: false }), '0 files, 0 B')
})

test('R-60 status shows a failure once, although node, queue and drive have it', (t) => {
  const [away, full] = ['The node cannot be reached.', 'The disk is full.']
  const queue = { state: 'retrying', changed: 1, bytes: 5, nextTryMs: undefined, lastError: away } as const
  const node = { kind: 'kubo', where: 'http://n', sameMachine: false, state: 'unreachable', lastError: away } as const
  const report = (lastError: string | undefined): string => {
    const about = { version: undefined, peerId: undefined, knownForMs: undefined }
    const base = { state: 'open', copies: [], mounts: [], levels: undefined, cache: undefined } as const
    return statusText({ ...base, node: { ...node, ...about }, queue, lastError } as never)
  }
  t.is(report(away).split(away).length, 2, report(away))
  t.regex(report(full), /Last error: The disk is full/)
  t.notRegex(report(undefined), /undefined/)
})
