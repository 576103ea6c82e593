/** The frozen bytes of format v1. fixtures/vectors/keys-and-leaves.py generated them independently of this code. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import test from 'ava'
import { createRecordSealer, deriveDriveKeys, keyOfPassphrase, unwrapRootKey, wrapRootKey } from '../crypto/index.js'
import { nativeSeal } from '../platform/index.js'
import { gearBytes } from './cut-chunks.js'
import { createCore } from './index.js'

interface Vectors {
  readonly rootKey: string
  readonly keys: Readonly<
    Record<'superKey' | 'dedupKey' | 'gearKey' | 'nameKey' | 'localKey' | 'driveNameSeed', string>
  >
  readonly deviceSeeds: Readonly<Record<string, string>>
  readonly slot: {
    readonly passphrase: string
    readonly logN: number
    readonly r: number
    readonly p: number
    readonly salt: string
    readonly nonce: string
    readonly sealed: string
    readonly commitment: string
  }
  readonly gearTableSha256: string
  readonly cuts: { readonly length: number; readonly ends: readonly number[] }
  readonly leaves: readonly Readonly<
    Record<'key' | 'dedupId' | 'digest', string> & Record<'plainLength' | 'sealedLength', number>
  >[]
  readonly record: Readonly<Record<'salt' | 'aad' | 'plain' | 'sealed', string>>
}

const path = new URL('../../../fixtures/vectors/keys-and-leaves.json', import.meta.url)
const vectors = JSON.parse(readFileSync(path, 'utf8')) as Vectors
const root = bytes(vectors.rootKey)
const keys = deriveDriveKeys(root)
const text = createHash('shake256', { outputLength: vectors.cuts.length }).update('dagdrive vector').digest()
const cores = nativeSeal() === undefined ? [createCore('javascript')] : [createCore('javascript'), createCore('native')]

function bytes(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'))
}

function hex(data: Uint8Array): string {
  return Buffer.from(data).toString('hex')
}

test('golden: the keys of a drive and of its devices', (t) => {
  for (const [name, expected] of Object.entries(vectors.keys))
    t.is(hex(keys[name as keyof Vectors['keys']]), expected, name)
  for (const [slot, expected] of Object.entries(vectors.deviceSeeds)) t.is(hex(keys.deviceSeed(Number(slot))), expected)
})

test('golden: a passphrase slot', async (t) => {
  const { passphrase, salt, nonce, sealed, commitment, ...cost } = vectors.slot
  const kek = await keyOfPassphrase(passphrase, bytes(salt), cost)
  const slot = { nonce: bytes(nonce), sealed: bytes(sealed), commitment: bytes(commitment) }
  t.deepEqual(new Uint8Array(unwrapRootKey(slot, kek)), root)
  const again = wrapRootKey(root, kek, { bytes: () => bytes(nonce) })
  t.is(hex(again.sealed), sealed)
  t.is(hex(again.commitment), commitment)
})

test('golden: the gear table and the cuts, in every core', (t) => {
  t.is(createHash('sha256').update(gearBytes(keys.gearKey)).digest('hex'), vectors.gearTableSha256)
  for (const core of cores) t.deepEqual(core.cut(text, 'content-defined', true, keys), vectors.cuts.ends)
})

test('golden: leaf blocks, in every core', (t) => {
  for (const core of cores) {
    for (const leaf of vectors.leaves) {
      const sealed = core.sealLeaf(text.subarray(0, leaf.plainLength), keys)
      t.is(sealed.sealed.length, leaf.sealedLength)
      t.deepEqual(
        { key: hex(sealed.key), dedupId: hex(sealed.dedupId), digest: hex(sealed.digest) },
        { key: leaf.key, dedupId: leaf.dedupId, digest: leaf.digest },
      )
      t.true(Buffer.from(core.openLeaf(sealed.sealed, bytes(leaf.key))).equals(text.subarray(0, leaf.plainLength)))
    }
  }
})

test('golden: a record on the local disk', (t) => {
  const { salt, aad, plain, sealed } = vectors.record
  const sealer = createRecordSealer(keys.localKey, { bytes: () => bytes(salt) })
  t.is(hex(sealer.open(bytes(aad), bytes(sealed))), plain)
  for (let turn = 0; turn < 258; turn++) sealer.seal(bytes(aad), bytes(plain))
  t.is(hex(sealer.seal(bytes(aad), bytes(plain))), sealed)
})
