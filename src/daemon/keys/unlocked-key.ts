/** The root key of the key file, if it needs no passphrase or the right one is given. */
import { DriveError, isDriveError } from '../../base/index.js'
import type { RootKey } from '../../crypto/index.js'
import { readKeyFile } from './key-file.js'

/** @returns undefined if a passphrase is needed. @throws WRONG_KEY if the given one is wrong */
export async function unlockedKey(file: string, passphrase: string | undefined): Promise<RootKey | undefined> {
  try {
    return await readKeyFile(file, passphrase === undefined ? {} : { passphrase })
  } catch (error) {
    if (!isDriveError(error, 'WRONG_KEY')) throw error
    if (passphrase !== undefined) throw new DriveError('WRONG_KEY', 'The passphrase is wrong.', { cause: error })
    return undefined
  }
}
