/** When a node takes a name record, and when one may replace another. */
import { DriveError } from '../base/index.js'
import { openNameRecord, type NameRecord } from '../dag/index.js'
import type { CidText } from './contract.js'

/**
 * What the record says. INVALID when it is malformed or not signed by the key of the name. An expired record is
 * accepted: it is still the newest thing the owner said, and a node that dropped it could no longer be recovered from.
 */
export function checkRecord(name: CidText, record: Uint8Array): NameRecord {
  try {
    return openNameRecord(name, record)
  } catch (cause) {
    throw new DriveError('INVALID', 'That is not a valid record of this name.', { cause, about: { name } })
  }
}

/** IPNS: only a higher sequence replaces a record that other devices may have seen. */
export function mayReplace(held: NameRecord, record: NameRecord): boolean {
  return record.sequence > held.sequence
}

export function divergedRecord(name: CidText): DriveError {
  return new DriveError('DIVERGED', 'The node has another record of this name with an equal or higher sequence.', {
    about: { name },
  })
}
