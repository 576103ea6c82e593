import { createCipheriv, createDecipheriv } from 'node:crypto'
import type { Aead } from './contract.js'
import { requireLengths, tagMismatch } from './aead-errors.js'

const NAME = 'aes-256-gcm'
const TAG = 16

/**
 * AES-256-GCM (NIST SP 800-38D), 12-byte nonce, through node:crypto. Callers must never use one nonce twice under one
 * key.
 */
export const aes256Gcm: Aead = {
  id: NAME,
  nonceBytes: 12,
  seal(key, nonce, aad, plain) {
    requireLengths(key, nonce, 12)
    const cipher = createCipheriv(NAME, key, nonce, { authTagLength: TAG })
    cipher.setAAD(aad)
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  },
  open(key, nonce, aad, sealed) {
    requireLengths(key, nonce, 12)
    if (sealed.length < TAG) throw tagMismatch()
    const decipher = createDecipheriv(NAME, key, nonce, { authTagLength: TAG })
    decipher.setAAD(aad)
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
