/** Whether bytes are the block they are said to be. */
import { hash } from 'node:crypto'
import { equalBytes, type Digest } from '../base/index.js'

export function matches(bytes: Uint8Array, digest: Digest): boolean {
  return equalBytes(hash('sha256', bytes, 'buffer'), digest)
}
