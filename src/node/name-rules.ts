/** The rules for accepting a name record and for replacing one by another. */
import { DriveError, isDriveError } from '../base/index.js'
import { openNameRecord, signedContent, type NameRecord } from '../dag/index.js'
import type { CidText } from './contract.js'

/**
 * For a record that is to be stored. INVALID when it is malformed or not signed by the name's key. An expired record is
 * accepted: it is still the owner's newest statement, and without it the drive could not be recovered from the node.
 */
export function checkRecord(name: CidText, record: Uint8Array): NameRecord {
  return orInvalid(name, () => openNameRecord(name, record))
}

/**
 * For a record that a node returned. INVALID when it is not signed by the name's key. Its content may be anything: a
 * lost device has the keys and can sign it, and the node is not to blame.
 */
export function requireSigned(name: CidText, record: Uint8Array): void {
  orInvalid(name, () => signedContent(name, record))
}

function orInvalid<T>(name: CidText, check: () => T): T {
  try {
    return check()
  } catch (cause) {
    throw new DriveError('INVALID', 'The name record is not valid for this name.', { cause, about: { name } })
  }
}

/** The record has a content that a device writes. */
export function isUsable(name: CidText, record: Uint8Array): boolean {
  return usable(name, record) !== undefined
}

/**
 * IPNS: only a record with a higher sequence replaces one that other devices may have seen. A store of ours also
 * replaces a record with a content that no device writes.
 */
export function mayReplace(name: CidText, held: Uint8Array, record: NameRecord): boolean {
  const known = usable(name, held)
  return known === undefined || record.sequence > known.sequence
}

function usable(name: CidText, record: Uint8Array): NameRecord | undefined {
  try {
    return openNameRecord(name, record)
  } catch (error) {
    if (isDriveError(error, 'CORRUPT')) return undefined
    throw error
  }
}

export function divergedRecord(name: CidText): DriveError {
  return new DriveError('DIVERGED', 'The node has a different record for this name with an equal or higher sequence.', {
    about: { name },
  })
}
