import { createHmac } from 'node:crypto'
import test from 'ava'
import { seededRandom, type PlainName } from '../../base/index.js'
import { nativeSeal } from '../../platform/index.js'
import { nameHasher } from './name-hash.js'

test('R-40 the key of a name is its HMAC, by the native core and by Node, for names of any length', (t) => {
  const random = seededRandom(23)
  const key = random.bytes(32)
  const hashers = [nameHasher(key), nameHasher(key, nativeSeal())]
  const lengths = [1, 255, ...Array.from({ length: 254 }, (_, i) => 254 - i), 255]
  const kept: { digest: Uint8Array; expected: Buffer }[] = []
  for (const length of lengths) {
    const name = Buffer.from(random.bytes(length)).toString('latin1') as PlainName
    const expected = createHmac('sha256', key).update(name, 'latin1').digest()
    for (const hash of hashers) kept.push({ digest: hash(name), expected })
  }
  t.true(kept.every(({ digest, expected }) => expected.equals(digest)))
})
