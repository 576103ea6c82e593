import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import test from 'ava'
import { base36 } from 'multiformats/bases/base36'
import { CID } from 'multiformats/cid'
import { isDriveError, seededRandom } from '../base/index.js'
import { cidBytes, cidFromBytes, cidOf, keyOfName, nameOfKey, parseCid } from './cid.js'
import { sha256 } from './private-node.js'

test('CIDs are the text and bytes multiformats gives, and come back', (t) => {
  const random = seededRandom(71)
  for (let round = 0; round < 200; round++) {
    const digest = round === 0 ? sha256(new Uint8Array(0)) : random.bytes(32)
    for (const codec of ['raw', 'dag-pb'] as const) {
      const text = cidOf(digest, codec)
      const reference = CID.parse(text)
      t.is(reference.toString(), text)
      t.deepEqual(reference.bytes, cidBytes({ digest, codec }))
      t.is(reference.code, codec === 'raw' ? 0x55 : 0x70)
      t.deepEqual(parseCid(text), { digest, codec })
    }
  }
})

test('other texts and kinds of CIDs are CORRUPT', (t) => {
  const good = cidOf(new Uint8Array(32), 'raw')
  const bad = [
    '',
    'b',
    good.slice(1),
    good.slice(0, -1),
    `${good}a`,
    good.toUpperCase(),
    `${good.slice(0, -1)}b`,
    `${good.slice(0, -1)}1`,
    'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG',
    'bafyreigdmqpykrgxyaxtlafqpqhzrb7qy2rh75nldvfd4tucqmqqme5yje',
  ]
  for (const text of bad)
    t.true(
      isDriveError(
        t.throws(() => parseCid(text), undefined, text),
        'CORRUPT',
      ),
      text,
    )
  t.true(
    isDriveError(
      t.throws(() => cidFromBytes(new Uint8Array(36))),
      'CORRUPT',
    ),
  )
})

test('IPNS names are those libp2p gives to the key, and come back', async (t) => {
  const random = seededRandom(72)
  for (let round = 0; round < 20; round++) {
    const pair = await generateKeyPairFromSeed('Ed25519', random.bytes(32))
    const name = nameOfKey(pair.publicKey.raw)
    t.is(name, pair.publicKey.toCID().toString(base36))
    t.deepEqual(keyOfName(name), pair.publicKey.raw)
    t.true(name.startsWith('k51'))
  }
  for (const key of [new Uint8Array(32), new Uint8Array(32).fill(255)]) t.deepEqual(keyOfName(nameOfKey(key)), key)
})

test('other names are CORRUPT', (t) => {
  const name = nameOfKey(new Uint8Array(32))
  for (const bad of [
    '',
    'k',
    name.slice(1),
    `${name}0`,
    name.replace('k51', 'k61'),
    name.toUpperCase(),
    `${name.slice(0, -1)}-`,
  ]) {
    t.true(
      isDriveError(
        t.throws(() => keyOfName(bad)),
        'CORRUPT',
      ),
      bad,
    )
  }
})
