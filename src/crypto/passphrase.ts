import { scrypt } from 'node:crypto'
import { DriveError, MIB, type SecretKey } from '../base/index.js'

/** scrypt parameters (RFC 7914). */
export interface ScryptCost {
  /** log2 of N. */
  readonly logN: number
  readonly r: number
  readonly p: number
}

/** Costs 256 MiB of memory and most of a second. */
export const SCRYPT_COST: ScryptCost = { logN: 18, r: 8, p: 1 }

/**
 * Limits on the parameters in a key file: at most 1 GiB, so that a hostile file cannot exhaust the machine's memory.
 */
const LIMIT = { logN: 20, r: 8, p: 4 }

/**
 * The key-encryption key of a passphrase, computed on the thread pool.
 * @param salt random, 16 bytes in our slots (at least 8), stored beside the slot Throws INVALID for an empty
 * passphrase, CORRUPT for costs outside the allowed range.
 */
export async function keyOfPassphrase(
  passphrase: string,
  salt: Uint8Array,
  cost: ScryptCost = SCRYPT_COST,
): Promise<SecretKey> {
  if (passphrase === '') throw new DriveError('INVALID', 'The passphrase is empty.')
  const { logN, r, p } = cost
  const within = (value: number, least: number, most: number): boolean =>
    Number.isInteger(value) && value >= least && value <= most
  if (!within(logN, 10, LIMIT.logN) || !within(r, 1, LIMIT.r) || !within(p, 1, LIMIT.p) || salt.length < 8) {
    throw new DriveError('CORRUPT', 'The scrypt parameters of the key slot are out of range.')
  }
  const N = 2 ** logN
  const maxmem = 128 * N * r + 128 * r * p + MIB
  const key = await new Promise<Buffer>((resolve, reject) => {
    scrypt(passphrase.normalize('NFKC'), salt, 32, { N, r, p, maxmem }, (error, derived) => {
      if (error)
        reject(new DriveError('INTERNAL', 'The passphrase key could not be derived: scrypt failed.', { cause: error }))
      else resolve(derived)
    })
  })
  return new Uint8Array(key)
}
