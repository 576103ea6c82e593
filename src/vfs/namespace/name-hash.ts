/**
 * HMAC-SHA-256(K_name, name): the local key of a directory entry, so that the keys of the store do not reveal names.
 */
import { hash } from 'node:crypto'
import type { PlainName, SecretKey } from '../../base/index.js'
import type { NativeSeal } from '../../platform/index.js'

const BLOCK_BYTES = 64
const DIGEST_BYTES = 32
const MAX_NAME_BYTES = 255

export type NameHash = (name: PlainName) => Uint8Array

/**
 * HMAC with both padded keys prepared once: two one-shot hashes per name. The native core takes 0.4 of the time of
 * Node, which makes a buffer outside the heap for each.
 *
 * @param native undefined: names are hashed by Node
 */
export function nameHasher(key: SecretKey, native?: Pick<NativeSeal, 'sha256'>): NameHash {
  const inner = new Uint8Array(BLOCK_BYTES + MAX_NAME_BYTES)
  const outer = new Uint8Array(BLOCK_BYTES + DIGEST_BYTES)
  for (let i = 0; i < BLOCK_BYTES; i++) {
    const byte = key[i] ?? 0
    inner[i] = byte ^ 0x36
    outer[i] = byte ^ 0x5c
  }
  // A view costs as much as a hash.
  const beginnings = Array.from({ length: MAX_NAME_BYTES + 1 }, (_, length) => inner.subarray(0, BLOCK_BYTES + length))
  const innerDigest = outer.subarray(BLOCK_BYTES)
  const digestInto = native === undefined ? nodeDigestInto : native.sha256
  return (name) => {
    const length = name.length
    for (let i = 0; i < length; i++) inner[BLOCK_BYTES + i] = name.charCodeAt(i)
    digestInto(beginnings[length]!, innerDigest)
    const digest = new Uint8Array(DIGEST_BYTES)
    digestInto(outer, digest)
    return digest
  }
}

function nodeDigestInto(data: Uint8Array, digest: Uint8Array): void {
  digest.set(hash('sha256', data, 'buffer'))
}
