/** Published vectors, run over every back-end of each algorithm. */
import test from 'ava'
import { isDriveError } from '../base/index.js'
import type { Aead } from './contract.js'
import {
  aes256Gcm,
  hkdf,
  keyOfPassphrase,
  publicKeyOfSeed,
  signEd25519,
  verifyEd25519,
  xchacha20Poly1305,
  xchacha20Poly1305Noble,
} from './index.js'

const hexBytes = (text: string): Buffer => Buffer.from(text, 'hex')

interface AeadVector {
  readonly source: string
  readonly backEnds: readonly Aead[]
  readonly key: string
  readonly nonce: string
  readonly aad: string
  readonly plain: Buffer
  readonly sealed: string
}

const AEADS: readonly AeadVector[] = [
  {
    source: 'McGrew and Viega, The Galois/Counter Mode of Operation, test case 16 (AES-256)',
    backEnds: [aes256Gcm],
    key: 'feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308',
    nonce: 'cafebabefacedbaddecaf888',
    aad: 'feedfacedeadbeeffeedfacedeadbeefabaddad2',
    plain: hexBytes(
      'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
    ),
    sealed:
      '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662' +
      '76fc6ece0f4e1768cddf8853bb2d551b',
  },
  {
    source: 'draft-irtf-cfrg-xchacha-03, A.3.1',
    backEnds: [xchacha20Poly1305, xchacha20Poly1305Noble],
    key: '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f',
    nonce: '404142434445464748494a4b4c4d4e4f5051525354555657',
    aad: '50515253c0c1c2c3c4c5c6c7',
    plain: Buffer.from(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
    ),
    sealed:
      'bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452' +
      '2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13b52e' +
      'c0875924c1c7987947deafd8780acf49',
  },
]

for (const vector of AEADS) {
  test(`${vector.source}: every back-end seals and opens it, and refuses any changed bit`, (t) => {
    const key = hexBytes(vector.key)
    const nonce = hexBytes(vector.nonce)
    const aad = hexBytes(vector.aad)
    for (const aead of vector.backEnds) {
      const sealed = aead.seal(key, nonce, aad, vector.plain)
      t.is(Buffer.from(sealed).toString('hex'), vector.sealed)
      t.true(Buffer.from(aead.open(key, nonce, aad, sealed)).equals(vector.plain))
      for (let bit = 0; bit < sealed.length * 8; bit += 37) {
        const bad = Uint8Array.from(sealed)
        bad[bit >> 3]! ^= 1 << (bit & 7)
        t.true(
          isDriveError(
            t.throws(() => aead.open(key, nonce, aad, bad)),
            'CORRUPT',
          ),
        )
      }
      t.true(
        isDriveError(
          t.throws(() => aead.open(key, nonce, Buffer.from('other'), sealed)),
          'CORRUPT',
        ),
      )
      t.true(
        isDriveError(
          t.throws(() => aead.open(key, nonce, aad, sealed.subarray(0, 15))),
          'CORRUPT',
        ),
      )
      t.true(
        isDriveError(
          t.throws(() => aead.seal(key.subarray(1), nonce, aad, sealed)),
          'INTERNAL',
        ),
      )
    }
  })
}

test('both XChaCha20-Poly1305 back-ends agree for empty and for long messages', (t) => {
  const key = Buffer.alloc(32, 7)
  const nonce = Buffer.from(Array.from({ length: 24 }, (_, index) => 200 + index))
  for (const length of [0, 1, 63, 64, 65, 4096, 70_000]) {
    const plain = Buffer.alloc(length, 3)
    const sealed = Buffer.from(xchacha20Poly1305.seal(key, nonce, plain.subarray(0, 5), plain))
    t.deepEqual(sealed, Buffer.from(xchacha20Poly1305Noble.seal(key, nonce, plain.subarray(0, 5), plain)))
    t.true(Buffer.from(xchacha20Poly1305Noble.open(key, nonce, plain.subarray(0, 5), sealed)).equals(plain))
  }
})

test('RFC 5869 A.3: HKDF-SHA-256 with empty salt and info', (t) => {
  t.is(
    Buffer.from(hkdf(Buffer.alloc(22, 0x0b), '', 42)).toString('hex'),
    '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
  )
})

test('RFC 7914 section 12: scrypt (N = 16384, r = 8, p = 1), its first 32 bytes', async (t) => {
  const key = await keyOfPassphrase('pleaseletmein', Buffer.from('SodiumChloride'), { logN: 14, r: 8, p: 1 })
  t.is(Buffer.from(key).toString('hex'), '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2')
})

test('scrypt costs out of range are refused before any work', async (t) => {
  for (const cost of [
    { logN: 30, r: 8, p: 1 },
    { logN: 9, r: 8, p: 1 },
    { logN: 14, r: 8, p: 100 },
    { logN: 14.5, r: 8, p: 1 },
  ]) {
    t.true(isDriveError(await t.throwsAsync(keyOfPassphrase('x', Buffer.alloc(16), cost)), 'CORRUPT'))
  }
})

test('RFC 8032 section 7.1: Ed25519 tests 1 and 2', (t) => {
  const rows = [
    {
      seed: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
      publicKey: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
      message: '',
      signature:
        'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    },
    {
      seed: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
      publicKey: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
      message: '72',
      signature:
        '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    },
  ]
  for (const row of rows) {
    const publicKey = publicKeyOfSeed(hexBytes(row.seed))
    const signature = signEd25519(hexBytes(row.seed), hexBytes(row.message))
    t.is(Buffer.from(publicKey).toString('hex'), row.publicKey)
    t.is(Buffer.from(signature).toString('hex'), row.signature)
    t.true(verifyEd25519(publicKey, hexBytes(row.message), signature))
    t.false(verifyEd25519(publicKey, hexBytes('73'), signature))
    t.false(verifyEd25519(publicKey, hexBytes(row.message), signature.subarray(1)))
    t.false(verifyEd25519(new Uint8Array(32).fill(255), hexBytes(row.message), signature))
  }
})
