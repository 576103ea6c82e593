/** Where the content of a file or directory is: sealed blocks and the keys that open them. */
import type { Digest, SecretKey } from '../base/index.js'

/** A whole body up to this many bytes is kept in the inode's row, and in its entry when published. */
export const INLINE_BYTES = 2048

/** A private tree node: where its sealed block is and the key that opens it. */
export interface TreeRef {
  readonly digest: Digest
  readonly key: SecretKey
}

/**
 * A run of a file's bytes that lies in one sealed block: plaintext bytes `skip … skip+length` of the block are file
 * bytes `offset … offset+length`. Runs of a file do not overlap; gaps read as zeros.
 */
export interface FileChunk {
  readonly offset: number
  readonly length: number
  readonly skip: number
  readonly digest: Digest
  readonly key: SecretKey
}
