/** The rules for accepting a name record and for replacing one by another. */
import { DriveError } from '../base/index.js'
import { openNameRecord, type NameRecord } from '../dag/index.js'
import type { CidText } from './contract.js'

/**
 * The content of the record. INVALID when it is malformed or not signed by the name's key. An expired record is
 * accepted: it is still the owner's newest statement, and without it the drive could not be recovered from the node.
 */
export function checkRecord(name: CidText, record: Uint8Array): NameRecord {
  try {
    return openNameRecord(name, record)
  } catch (cause) {
    throw new DriveError('INVALID', 'The name record is not valid for this name.', { cause, about: { name } })
  }
}

/** IPNS: only a record with a higher sequence replaces one that other devices may have seen. */
export function mayReplace(held: NameRecord, record: NameRecord): boolean {
  return record.sequence > held.sequence
}

export function divergedRecord(name: CidText): DriveError {
  return new DriveError('DIVERGED', 'The node has a different record for this name with an equal or higher sequence.', {
    about: { name },
  })
}
