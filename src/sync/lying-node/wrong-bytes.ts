/** Bytes that do not belong to the block asked for: no reader gets them, whatever the node answered. */
import { DriveError, equalBytes, type Digest } from '../../base/index.js'
import type { Core } from '../../pipeline/index.js'

/** @throws WRONG_BLOCK */
export function requireBytesOf(digest: Digest, bytes: Uint8Array, { sha256 }: Pick<Core, 'sha256'>): void {
  if (equalBytes(sha256(bytes), digest)) return
  throw new DriveError('WRONG_BLOCK', 'The node gave bytes that do not belong to the block asked for.')
}
