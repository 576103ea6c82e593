/**
 * The contract of keys: one random root key, the slots that wrap it, and the keys derived from it. See docs/FORMAT.md.
 */
import type { SecretKey } from '../base/index.js'

/** 32 random bytes; the one secret of a drive. */
export type RootKey = SecretKey & { readonly rootKey?: unique symbol }

/** The keys derived from the root key by HKDF-SHA-256, 32 bytes each. */
export interface DriveKeys {
  /** Seals commits. */
  readonly superKey: SecretKey
  /** HMAC key of keyed convergent leaf sealing. */
  readonly dedupKey: SecretKey
  /** Gear table of the chunker. */
  readonly gearKey: SecretKey
  /** HMAC key of local dentry keys. */
  readonly nameKey: SecretKey
  /** Seals local records at rest. */
  readonly localKey: SecretKey
  /** Ed25519 seed of the shared drive name. */
  readonly driveNameSeed: SecretKey
  /** Ed25519 seed of one device's head name, the same object each time. @param deviceSlot 0 … 255 */
  deviceSeed(deviceSlot: number): SecretKey
}

/** One authenticated cipher. All back-ends with the same id produce the same bytes. */
export interface Aead {
  readonly id: 'aes-256-gcm' | 'xchacha20-poly1305'
  readonly nonceBytes: number
  /** @returns ciphertext || 16-byte tag */
  seal(key: SecretKey, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): Uint8Array
  /** Throws CORRUPT when the tag does not match. */
  open(key: SecretKey, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array
}

/**
 * Seals small records for this machine's own disk (AES-256-GCM). Layout: salt[16] || counter BE64 || ciphertext ||
 * tag[16]; key = HKDF(localKey, salt), nonce = 0^4 || counter. Each sealer has its own salt, so two sealers never share
 * a key and nonce.
 */
export interface RecordSealer {
  /**
   * @param take memory of this many bytes for the result; by default newly allocated
   * @returns `RECORD_OVERHEAD` bytes more than `plain`
   */
  seal(aad: Uint8Array, plain: Uint8Array, take?: (bytes: number) => Buffer): Uint8Array
  /** Opens records of this sealer and of earlier sealers with the same key. @returns fresh memory; throws CORRUPT */
  open(aad: Uint8Array, sealed: Uint8Array): Uint8Array
}

/** A sealed record is longer than its plaintext by this many bytes. */
export const RECORD_OVERHEAD = 40

/** A root key wrapped by a key-encryption key; bytes are base64 in the key file. */
export interface WrappedRoot {
  /** 24 bytes. */
  readonly nonce: Uint8Array
  /** XChaCha20-Poly1305 of the root key, 48 bytes. */
  readonly sealed: Uint8Array
  /**
   * Distinguishes a wrong key from a damaged slot, and binds the slot to one key, because XChaCha20-Poly1305 alone does
   * not; 32 bytes.
   */
  readonly commitment: Uint8Array
}
