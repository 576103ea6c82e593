import { createCipheriv, createDecipheriv } from 'node:crypto'
import { hchacha } from '@noble/ciphers/chacha.js'
import type { Aead } from '../crypto/index.js'
import { corrupt } from './corrupt.js'

const TAG_BYTES = 16

/** XChaCha20-Poly1305 as HChaCha20 (noble) under node's ChaCha20-Poly1305. */
export const xchacha: Aead = {
  id: 'xchacha20-poly1305',
  nonceBytes: 24,
  seal(key, nonce, aad, plain) {
    const { subkey, iv } = derive(key, nonce)
    const cipher = createCipheriv('chacha20-poly1305', subkey, iv, { authTagLength: TAG_BYTES })
    cipher.setAAD(aad, { plaintextLength: plain.length })
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  },
  open(key, nonce, aad, sealed) {
    if (sealed.length < TAG_BYTES) throw corrupt('a sealed block is too short')
    const { subkey, iv } = derive(key, nonce)
    const end = sealed.length - TAG_BYTES
    const decipher = createDecipheriv('chacha20-poly1305', subkey, iv, { authTagLength: TAG_BYTES })
    decipher.setAAD(aad, { plaintextLength: end })
    decipher.setAuthTag(sealed.subarray(end))
    try {
      return Buffer.concat([decipher.update(sealed.subarray(0, end)), decipher.final()])
    } catch (cause) {
      throw corrupt('a sealed block does not open with its key', cause)
    }
  },
}

const SIGMA = new Uint32Array([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574])

function derive(key: Uint8Array, nonce: Uint8Array): { subkey: Uint8Array; iv: Uint8Array } {
  const words = (bytes: Uint8Array): Uint32Array => new Uint32Array(Uint8Array.from(bytes).buffer)
  const out = new Uint32Array(8)
  hchacha(SIGMA, words(key), words(nonce.subarray(0, 16)), out)
  const iv = new Uint8Array(12)
  iv.set(nonce.subarray(16), 4)
  return { subkey: new Uint8Array(out.buffer), iv }
}
