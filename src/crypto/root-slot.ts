import { timingSafeEqual } from 'node:crypto'
import { DriveError, type Random, type SecretKey } from '../base/index.js'
import { xchacha20Poly1305 } from './aead-xchacha.js'
import type { RootKey, WrappedRoot } from './contract.js'
import { hkdf } from './hkdf.js'

const AAD = 'dagdrive slot v1'
const AAD_OF_HEADER = 'dagdrive slot v2 '

/**
 * Wraps the root key under a 32-byte key-encryption key (from a passphrase, a wallet, a custodian …).
 * @param header the plaintext fields of the slot; it opens only with the same header. Undefined: an old slot without a
 * header
 */
export function wrapRootKey(root: RootKey, kek: SecretKey, random: Random, header?: string): WrappedRoot {
  const nonce = random.bytes(24)
  const sealed = xchacha20Poly1305.seal(slotKey(kek), nonce, aadOf(header), root)
  return { nonce, sealed, commitment: commitmentOf(kek) }
}

/**
 * Throws WRONG_KEY when the slot belongs to another key-encryption key, CORRUPT when the slot or its header is damaged.
 */
export function unwrapRootKey(slot: WrappedRoot, kek: SecretKey, header?: string): RootKey {
  const commitment = commitmentOf(kek)
  if (slot.commitment.length !== commitment.length || !timingSafeEqual(slot.commitment, commitment)) {
    throw new DriveError('WRONG_KEY', 'The key is wrong: it does not open the key slot.')
  }
  return xchacha20Poly1305.open(slotKey(kek), slot.nonce, aadOf(header), slot.sealed)
}

function aadOf(header: string | undefined): Buffer {
  return Buffer.from(header === undefined ? AAD : AAD_OF_HEADER + header)
}

function slotKey(kek: SecretKey): SecretKey {
  return hkdf(kek, 'dagdrive v1 slot key')
}

function commitmentOf(kek: SecretKey): Uint8Array {
  return hkdf(kek, 'dagdrive v1 slot commitment')
}
