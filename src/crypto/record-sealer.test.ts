import test from 'ava'
import { testWhere } from '../../test/support/available.js'
import { isDriveError, seededRandom } from '../base/index.js'
import { createRecordSealer, RECORD_OVERHEAD } from './index.js'
import { nativeSeal } from '../platform/index.js'

const seed = Number(process.env['SEED'] ?? process.hrtime()[1] | 1)
const random = seededRandom(seed)
const key = random.bytes(32)
const aad = Buffer.from('inodes\0key')

/** The JavaScript sealer, even where the native core is built. */
function javascriptSealer(from = random): ReturnType<typeof createRecordSealer> {
  const before = process.env['DAGDRIVE_CORE']
  process.env['DAGDRIVE_CORE'] = 'javascript'
  try {
    return createRecordSealer(key, from)
  } finally {
    if (before === undefined) delete process.env['DAGDRIVE_CORE']
    else process.env['DAGDRIVE_CORE'] = before
  }
}

test('records open only with the same place and the same key', (t) => {
  t.log(`SEED=${seed}`)
  for (const sealer of [createRecordSealer(key, random), javascriptSealer()]) {
    for (let i = 0; i < 200; i++) {
      const plain = random.bytes(random.next(600))
      const sealed = sealer.seal(aad, plain)
      t.is(sealed.length, plain.length + RECORD_OVERHEAD)
      t.deepEqual(new Uint8Array(sealer.open(aad, sealed)), plain)
      const bad = Uint8Array.from(sealed)
      bad[random.next(bad.length)]! ^= 1 << random.next(8)
      for (const attempt of [
        () => sealer.open(aad, bad),
        () => sealer.open(Buffer.from('pages\0key'), sealed),
        () => sealer.open(aad, sealed.subarray(0, random.next(sealed.length))),
        () => createRecordSealer(random.bytes(32), random).open(aad, sealed),
      ]) {
        t.true(isDriveError(t.throws(attempt), 'CORRUPT'))
      }
    }
  }
})

testWhere('nativeCore')('both cores give the same record, and read each other’s', (t) => {
  t.not(nativeSeal(), undefined)
  const native = createRecordSealer(key, seededRandom(5))
  const javascript = javascriptSealer(seededRandom(5))
  for (let length = 0; length < 300; length += 7) {
    const plain = random.bytes(length)
    const one = native.seal(aad, plain)
    t.true(Buffer.from(one).equals(javascript.seal(aad, plain)))
    t.true(Buffer.from(javascript.open(aad, one)).equals(plain))
  }
})

test('records of more sessions than the key cache holds still open, and no two records share a nonce', (t) => {
  const sealers = Array.from({ length: 100 }, () => createRecordSealer(key, random))
  const plain = random.bytes(50)
  const records = [...sealers, ...sealers].map((sealer) => sealer.seal(aad, plain))
  t.is(new Set(records.map((record) => Buffer.from(record.subarray(0, 24)).toString('hex'))).size, 200)
  const reader = createRecordSealer(key, random)
  for (const record of [...records, ...records.reverse()]) t.deepEqual(new Uint8Array(reader.open(aad, record)), plain)
})
