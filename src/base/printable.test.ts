import test from 'ava'
import { jsonLine, printable, printableLines } from './printable.js'

const HOSTILE = 'a\u001b[31m\u0007\u007f\u009b\u0085\u202e\u2066\u2028\u2029\u00ad\ud800\u{e0001}\n\r\tz'

test('S-081 characters that control a terminal are escaped once; ordinary text stays unchanged', (t) => {
  t.is(printable('\u001b[31m\n'), '\\u{1b}[31m\\u{a}')
  t.notRegex(printable(HOSTILE), /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
  t.is(printable(printable(HOSTILE)), printable(HOSTILE))
  t.is(printable('Grüße 東京 😀 \\ "x"'), 'Grüße 東京 😀 \\ "x"')
  t.is(printableLines(['one\ntwo', 'three']), 'one\\u{a}two\nthree')
})

test('S-081 JSON is one line without terminal control characters, and strict readers accept it', (t) => {
  const line = jsonLine({ text: HOSTILE, list: [HOSTILE, 1, null], none: undefined })
  t.notRegex(line, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
  t.false(/\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])/.test(line), 'no half of a surrogate pair')
  t.deepEqual(JSON.parse(line), {
    text: HOSTILE.replace('\ud800', '\ufffd'),
    list: [HOSTILE.replace('\ud800', '\ufffd'), 1, null],
  })
})
