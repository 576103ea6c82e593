/** Checks that bytes match their CID. */
import { hash } from 'node:crypto'
import { equalBytes, type Digest } from '../base/index.js'

export function matches(bytes: Uint8Array, digest: Digest): boolean {
  return equalBytes(hash('sha256', bytes, 'buffer'), digest)
}
