import { timingSafeEqual } from 'node:crypto'
import { DriveError, type Random, type SecretKey } from '../base/index.js'
import { xchacha20Poly1305 } from './aead-xchacha.js'
import type { RootKey, WrappedRoot } from './contract.js'
import { hkdf } from './hkdf.js'

const AAD = Buffer.from('dagdrive slot v1')

/** Wraps the root key under a 32-byte key-encryption key (from a passphrase, a wallet, a custodian …). */
export function wrapRootKey(root: RootKey, kek: SecretKey, random: Random): WrappedRoot {
  const nonce = random.bytes(24)
  return { nonce, sealed: xchacha20Poly1305.seal(slotKey(kek), nonce, AAD, root), commitment: commitmentOf(kek) }
}

/** Throws WRONG_KEY when the slot belongs to another key-encryption key, CORRUPT when the slot is damaged. */
export function unwrapRootKey(slot: WrappedRoot, kek: SecretKey): RootKey {
  const commitment = commitmentOf(kek)
  if (slot.commitment.length !== commitment.length || !timingSafeEqual(slot.commitment, commitment)) {
    throw new DriveError('WRONG_KEY', 'This key does not open the key slot.')
  }
  return xchacha20Poly1305.open(slotKey(kek), slot.nonce, AAD, slot.sealed)
}

function slotKey(kek: SecretKey): SecretKey {
  return hkdf(kek, 'dagdrive v1 slot key')
}

function commitmentOf(kek: SecretKey): Uint8Array {
  return hkdf(kek, 'dagdrive v1 slot commitment')
}
