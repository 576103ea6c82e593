import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import test from 'ava'
import { createIPNSRecordWithExpiration, marshalIPNSRecord, unmarshalIPNSRecord } from 'ipns'
import { validate } from 'ipns/validator'
import { isDriveError, seededRandom } from '../base/index.js'
import { publicKeyOfSeed } from '../crypto/index.js'
import { cidOf, nameOfKey } from './cid.js'
import { driveSequence, splitDriveSequence } from './drive-sequence.js'
import { compareNameRecords, makeNameRecord, openNameRecord, signedContent, type NameRecord } from './name-record.js'
import { encodeRecordFields } from './records/record-fields.js'
import { forgedRecord } from '../../test/support/dag/forged-record.js'
import { damaged } from '../../test/support/dag/blocks.js'

const SEED = new Uint8Array(32).fill(5)
const PUBLIC = publicKeyOfSeed(SEED)
const NAME = nameOfKey(PUBLIC)
const RECORD: NameRecord = {
  cid: cidOf(new Uint8Array(32).fill(7), 'dag-pb'),
  sequence: 2 ** 40 + 5,
  validUntilMs: Date.UTC(2098, 3, 5, 6, 7, 8, 290),
  ttlMs: 60_000,
}

for (const withVersion1 of [false, true]) {
  test(`the ipns package accepts our record ${withVersion1 ? 'with' : 'without'} version 1 fields`, async (t) => {
    const bytes = makeNameRecord(RECORD, SEED, { withVersion1 })
    const pair = await generateKeyPairFromSeed('Ed25519', SEED)
    await t.notThrowsAsync(validate(pair.publicKey, bytes))
    const theirs = unmarshalIPNSRecord(bytes)
    t.is(theirs.value, `/ipfs/${RECORD.cid}`)
    t.is(theirs.sequence, BigInt(RECORD.sequence))
    t.is(theirs.validity, '2098-04-05T06:07:08.290000000Z')
    t.is(theirs.ttl, 60_000_000_000n)
  })

  test(`we open the record of the ipns package ${withVersion1 ? 'with' : 'without'} version 1 fields, byte for byte ours`, async (t) => {
    const pair = await generateKeyPairFromSeed('Ed25519', SEED)
    const made = await createIPNSRecordWithExpiration(
      pair,
      `/ipfs/${RECORD.cid}`,
      RECORD.sequence,
      '2098-04-05T06:07:08.290000000Z',
      { v1Compatible: withVersion1, ttlNs: 60_000_000_000n } as never,
    )
    const bytes = marshalIPNSRecord(made)
    t.deepEqual(openNameRecord(NAME, bytes, { nowMs: 0 }), RECORD)
    t.deepEqual(Buffer.from(makeNameRecord(RECORD, SEED, { withVersion1 })), Buffer.from(bytes))
  })
}

test('records of another key, expired or damaged ones are CORRUPT', (t) => {
  const bytes = makeNameRecord(RECORD, SEED, { withVersion1: true })
  const other = nameOfKey(PUBLIC.map((byte, i) => (i === 0 ? byte ^ 1 : byte)))
  t.true(
    isDriveError(
      t.throws(() => openNameRecord(other, bytes)),
      'CORRUPT',
    ),
  )
  const late = { nowMs: RECORD.validUntilMs }
  t.true(
    isDriveError(
      t.throws(() => openNameRecord(NAME, bytes, late)),
      'CORRUPT',
    ),
  )
  t.deepEqual(openNameRecord(NAME, bytes), RECORD)
  const seed = 101
  const random = seededRandom(seed)
  for (let round = 0; round < 1000; round++) {
    const bad = damaged(bytes, random)
    if (Buffer.compare(bad, bytes) === 0) continue
    try {
      // Damage to the unsigned signature of version 1 changes no trusted field.
      t.deepEqual(openNameRecord(NAME, bad), RECORD, `seed ${seed} round ${round}`)
    } catch (error) {
      t.true(isDriveError(error, 'CORRUPT'), `seed ${seed} round ${round}: ${String(error)}`)
    }
  }
})

test('unsigned copies, unknown fields and groups change nothing of a record: only what is signed counts', (t) => {
  const bytes = makeNameRecord(RECORD, SEED)
  const additions = [
    encodeRecordFields({ value: Buffer.from('/ipfs/x'), sequence: 9, ttl: 1, publicKey: new Uint8Array(36) }),
    Buffer.from([0x78, 0x01, 0x7a, 0x02, 1, 2]),
    Buffer.from([0x0d, 1, 2, 3, 4, 0x11, 1, 2, 3, 4, 5, 6, 7, 8]),
    Buffer.from([0x7b, 0x42, 0x01, 7, 0x7c]),
  ]
  for (const addition of additions) {
    t.deepEqual(openNameRecord(NAME, Buffer.concat([bytes, addition])), RECORD)
    t.deepEqual(openNameRecord(NAME, Buffer.concat([addition, bytes])), RECORD)
  }
  for (const broken of [[0x7b], [0x7c], [0x7e], [0x7a, 9, 1], [0x42, 1, 7]]) {
    const bad = Buffer.concat([bytes, Buffer.from(broken)])
    t.true(
      isDriveError(
        t.throws(() => openNameRecord(NAME, bad)),
        'CORRUPT',
      ),
    )
  }
})

test('S-110 a record that is signed and has a content no device writes is known as signed', (t) => {
  for (const [value, sequence] of [
    ['/ipfs/x', 1n],
    ['nothing', 1n],
    [`/ipfs/${RECORD.cid}`, 2n ** 53n],
    [`/ipfs/${RECORD.cid}`, 2n ** 64n - 1n],
  ] as const) {
    const bytes = forgedRecord({ value, sequence }, SEED)
    t.true(signedContent(NAME, bytes).length > 0)
    t.true(
      isDriveError(
        t.throws(() => openNameRecord(NAME, bytes)),
        'CORRUPT',
      ),
    )
  }
})

test('the better record has the higher sequence, then the later end', (t) => {
  t.true(compareNameRecords({ ...RECORD, sequence: 2 }, { ...RECORD, sequence: 1 }) > 0)
  t.true(compareNameRecords({ ...RECORD, validUntilMs: 2 }, { ...RECORD, validUntilMs: 3 }) < 0)
  t.is(compareNameRecords(RECORD, RECORD), 0)
})

test('drive sequences order by height, then slot, and split again', (t) => {
  t.is(driveSequence(3, 7), 775)
  t.deepEqual(splitDriveSequence(driveSequence(2 ** 44, 255)), { height: 2 ** 44, deviceSlot: 255 })
  t.true(
    isDriveError(
      t.throws(() => driveSequence(2 ** 46, 0)),
      'INVALID',
    ),
  )
  t.true(
    isDriveError(
      t.throws(() => driveSequence(1, 256)),
      'INVALID',
    ),
  )
})
