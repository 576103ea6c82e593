/** XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) in two back-ends that produce the same bytes. */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { hchacha, xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { requireLengths, tagMismatch } from './aead-errors.js'
import type { Aead } from './contract.js'

const NONCE = 24
const TAG = 16
/** "expand 32-byte k" as little-endian words. */
const SIGMA = new Uint32Array([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574])

/** The back-end on @noble/ciphers. It also runs in a browser. */
export const xchacha20Poly1305Noble: Aead = {
  id: 'xchacha20-poly1305',
  nonceBytes: NONCE,
  seal(key, nonce, aad, plain) {
    requireLengths(key, nonce, NONCE)
    return xchacha20poly1305(key, nonce, aad).encrypt(plain)
  },
  open(key, nonce, aad, sealed) {
    requireLengths(key, nonce, NONCE)
    if (sealed.length < TAG) throw tagMismatch()
    try {
      return xchacha20poly1305(key, nonce, aad).decrypt(sealed)
    } catch {
      // the lengths were checked before, so only the tag can be wrong
      throw tagMismatch()
    }
  },
}

/**
 * Derives the subkey with HChaCha20 from @noble/ciphers and encrypts with Node's ChaCha20-Poly1305. Five to ten times
 * faster than noble alone above 4 KiB.
 */
export const xchacha20Poly1305: Aead = {
  id: 'xchacha20-poly1305',
  nonceBytes: NONCE,
  seal(key, nonce, aad, plain) {
    requireLengths(key, nonce, NONCE)
    const cipher = createCipheriv('chacha20-poly1305', subKey(key, nonce), subNonce(nonce), { authTagLength: TAG })
    cipher.setAAD(aad, { plaintextLength: plain.length })
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  },
  open(key, nonce, aad, sealed) {
    requireLengths(key, nonce, NONCE)
    if (sealed.length < TAG) throw tagMismatch()
    const decipher = createDecipheriv('chacha20-poly1305', subKey(key, nonce), subNonce(nonce), { authTagLength: TAG })
    decipher.setAAD(aad, { plaintextLength: sealed.length - TAG })
    decipher.setAuthTag(sealed.subarray(sealed.length - TAG))
    const plain = decipher.update(sealed.subarray(0, sealed.length - TAG))
    try {
      decipher.final()
    } catch {
      // final() fails here only when the tag does not match
      plain.fill(0)
      throw tagMismatch()
    }
    return plain
  },
}

/** HChaCha20(key, nonce[0..15]). Words are little-endian on every host. */
function subKey(key: Uint8Array, nonce: Uint8Array): Uint8Array {
  const out = new Uint32Array(8)
  hchacha(SIGMA, words(key, 8), words(nonce, 4), out)
  const bytes = new Uint8Array(32)
  const view = new DataView(bytes.buffer)
  out.forEach((word, index) => view.setUint32(4 * index, word, true))
  out.fill(0)
  return bytes
}

function subNonce(nonce: Uint8Array): Uint8Array {
  const out = new Uint8Array(12)
  out.set(nonce.subarray(16, 24), 4)
  return out
}

function words(bytes: Uint8Array, count: number): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Uint32Array.from({ length: count }, (_, index) => view.getUint32(4 * index, true))
}
