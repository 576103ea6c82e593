/** Ed25519 (RFC 8032) over 32-byte seeds, through node:crypto. */
import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto'
import { DriveError, type SecretKey } from '../base/index.js'

/** DER around a raw seed (RFC 8410, PrivateKeyInfo) and a raw public key (SubjectPublicKeyInfo). */
const SEED_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const PUBLIC_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

/** Keys of seeds in use. Both are slow to make, and a drive uses few. An entry goes with its seed. */
const privateKeys = new WeakMap<SecretKey, KeyObject>()
const publicKeys = new WeakMap<SecretKey, Uint8Array>()

/** @param seed not changed afterwards @returns the 32-byte public key, not to be changed */
export function publicKeyOfSeed(seed: SecretKey): Uint8Array {
  let known = publicKeys.get(seed)
  if (known === undefined) {
    const der = createPublicKey(privateKey(seed)).export({ format: 'der', type: 'spki' })
    publicKeys.set(seed, (known = new Uint8Array(der.subarray(der.length - 32))))
  }
  return known
}

/** @param seed not changed afterwards @returns the 64-byte signature */
export function signEd25519(seed: SecretKey, message: Uint8Array): Uint8Array {
  return new Uint8Array(sign(null, message, privateKey(seed)))
}

/** False for a wrong signature and for a public key or signature of the wrong form. */
export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false
  try {
    const key = createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, publicKey]), format: 'der', type: 'spki' })
    return verify(null, message, key, signature)
  } catch {
    // the 32 bytes are not a point of the curve
    return false
  }
}

function privateKey(seed: SecretKey): KeyObject {
  let known = privateKeys.get(seed)
  if (known === undefined) privateKeys.set(seed, (known = createKey(seed)))
  return known
}

function createKey(seed: SecretKey): KeyObject {
  if (seed.length !== 32) throw new DriveError('INTERNAL', 'An Ed25519 seed must have 32 bytes.')
  const der = Buffer.concat([SEED_PREFIX, seed])
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  } finally {
    der.fill(0)
  }
}
