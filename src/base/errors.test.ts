import test from 'ava'
import { toWire } from './index.js'

test('a failure of a full or read-only disk has its own code, by the name or the number of the system error', (t) => {
  const codeOf = (code: unknown): string => toWire(Object.assign(new Error('write failed'), { code })).code
  t.deepEqual(['ENOSPC', 28, 'EROFS', 122].map(codeOf), ['NO_SPACE', 'NO_SPACE', 'READ_ONLY', 'QUOTA'])
  t.deepEqual(['EIO', 5, -30798, 0, 99_999, undefined].map(codeOf), Array<string>(6).fill('INTERNAL'))
})
