/**
 * HMAC-SHA-256(K_name, name): the local key of a directory entry, so that the keys of the store do not reveal names.
 */
import { hash } from 'node:crypto'
import type { PlainName, SecretKey } from '../../base/index.js'

const BLOCK_BYTES = 64
const DIGEST_BYTES = 32
const MAX_NAME_BYTES = 255

export type NameHash = (name: PlainName) => Uint8Array

/** HMAC with both padded keys prepared once: two one-shot hashes per name, half the time of `createHmac`. */
export function nameHasher(key: SecretKey): NameHash {
  const inner = new Uint8Array(BLOCK_BYTES + MAX_NAME_BYTES)
  const outer = new Uint8Array(BLOCK_BYTES + DIGEST_BYTES)
  for (let i = 0; i < BLOCK_BYTES; i++) {
    const byte = key[i] ?? 0
    inner[i] = byte ^ 0x36
    outer[i] = byte ^ 0x5c
  }
  return (name) => {
    const length = name.length
    for (let i = 0; i < length; i++) inner[BLOCK_BYTES + i] = name.charCodeAt(i)
    outer.set(hash('sha256', inner.subarray(0, BLOCK_BYTES + length), 'buffer'), BLOCK_BYTES)
    return hash('sha256', outer, 'buffer')
  }
}
