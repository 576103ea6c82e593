import { hkdfSync } from 'node:crypto'
import type { SecretKey } from '../base/index.js'

const NO_SALT = new Uint8Array(0)

/**
 * HKDF-SHA-256 (RFC 5869), extract with an empty salt and expand.
 * @param label the `info`, ASCII; every use in the drive has its own (docs/format/keys-and-leaves.md)
 * @param length number of bytes to derive, 32 by default
 */
export function hkdf(secret: Uint8Array, label: string | Uint8Array, length = 32): SecretKey {
  return new Uint8Array(hkdfSync('sha256', secret, NO_SALT, label, length))
}
