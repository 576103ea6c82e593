/** Seals a chunk again as a different block, for a node that holds damaged bytes under the CID of the first block. */
import type { Digest, SecretKey } from '../base/index.js'
import { encryptPadded, openLeafJavaScript, sha256JavaScript } from './leaf-javascript.js'
import { padChunk, TAG_BYTES } from './padding.js'

/**
 * Readers accept any key (docs/format/keys-and-leaves.md). The new block has no dedup id, because the id derived from
 * its content belongs to the first block.
 * @param fresh a random key that seals nothing else @throws CORRUPT when `sealed` does not open with `key`
 */
export function resealLeaf(
  sealed: Uint8Array,
  key: SecretKey,
  fresh: SecretKey,
): { readonly bytes: Uint8Array; readonly digest: Digest } {
  const padded = padChunk(openLeafJavaScript(sealed, key))
  const bytes = new Uint8Array(padded.length + TAG_BYTES)
  encryptPadded(padded, fresh, bytes)
  padded.fill(0)
  return { bytes, digest: sha256JavaScript(bytes) }
}
