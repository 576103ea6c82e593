/** Seals and opens leaf blocks with node:crypto; native/leaf.h produces the same bytes. */
import { createCipheriv, createDecipheriv, createHash, createHmac } from 'node:crypto'
import { DriveError, type Digest, type SecretKey } from '../base/index.js'
import { isSealedSize, TAG_BYTES, unpaddedLength } from './padding.js'

const AAD = Buffer.from('dagdrive leaf v1')
const KEY_LABEL = Buffer.from('dagdrive leaf key v1\u0001')
const ID_LABEL = Buffer.from('dagdrive leaf id v1\u0001')
const NONCE = new Uint8Array(12)

/** Key and dedup id of a padded plaintext: h = HMAC(K_dedup, padded), then HKDF-Expand(h, label). */
export function leafKeys(padded: Uint8Array, dedupKey: SecretKey): { key: SecretKey; dedupId: Uint8Array } {
  const h = hmac(dedupKey, padded)
  return { key: new Uint8Array(hmac(h, KEY_LABEL)), dedupId: new Uint8Array(hmac(h, ID_LABEL).subarray(0, 16)) }
}

/** AES-256-GCM with a zero nonce: the key seals only this message. */
export function encryptPadded(padded: Uint8Array, key: SecretKey, into: Uint8Array): void {
  const cipher = createCipheriv('aes-256-gcm', key, NONCE)
  cipher.setAAD(AAD)
  into.set(cipher.update(padded))
  cipher.final()
  into.set(cipher.getAuthTag(), padded.length)
}

export function openLeafJavaScript(sealed: Uint8Array, key: SecretKey): Uint8Array {
  if (!isSealedSize(sealed.length)) throw badLeaf()
  const end = sealed.length - TAG_BYTES
  const decipher = createDecipheriv('aes-256-gcm', key, NONCE)
  decipher.setAAD(AAD)
  decipher.setAuthTag(sealed.subarray(end))
  const padded = decipher.update(sealed.subarray(0, end))
  try {
    decipher.final()
  } catch {
    // final() fails here only when the tag does not match
    padded.fill(0)
    throw badLeaf()
  }
  const length = unpaddedLength(padded)
  if (length === undefined) throw badLeaf()
  return padded.subarray(0, length)
}

export function sha256JavaScript(data: Uint8Array): Digest {
  return new Uint8Array(createHash('sha256').update(data).digest())
}

export function badLeaf(): DriveError {
  return new DriveError('CORRUPT', 'A block does not open with its key.')
}

function hmac(key: Uint8Array, data: Uint8Array): Buffer {
  return createHmac('sha256', key).update(data).digest()
}
