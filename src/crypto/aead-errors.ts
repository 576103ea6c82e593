import { DriveError } from '../base/index.js'

/** The error of every back-end for a tag that does not match. */
export function tagMismatch(): DriveError {
  return new DriveError('CORRUPT', 'Sealed data does not match its authentication tag.')
}

/** Throws INTERNAL unless the key has 32 bytes and the nonce `nonceBytes`. */
export function requireLengths(key: Uint8Array, nonce: Uint8Array, nonceBytes: number): void {
  if (key.length !== 32 || nonce.length !== nonceBytes) {
    throw new DriveError('INTERNAL', `The key must have 32 bytes and the nonce ${nonceBytes} bytes.`, {
      about: { keyBytes: key.length, nonceBytes: nonce.length },
    })
  }
}
