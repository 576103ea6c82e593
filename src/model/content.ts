/** Where the content of a file or directory is: sealed blocks and the keys that open them. */
import type { Digest, SecretKey } from '../base/index.js'

/** A file of at most this many bytes is stored in the inode's row, and in its entry when published. */
export const INLINE_BYTES = 2048

/** A private tree node: the digest of its sealed block and the key that opens it. */
export interface TreeRef {
  readonly digest: Digest
  readonly key: SecretKey
}

/**
 * An extent: a range of a file's bytes that lies in one sealed block. Plaintext bytes `skip … skip+length` of the block
 * are file bytes `offset … offset+length`. Extents of a file do not overlap; gaps read as zeros.
 */
export interface FileChunk {
  readonly offset: number
  readonly length: number
  readonly skip: number
  readonly digest: Digest
  readonly key: SecretKey
}
