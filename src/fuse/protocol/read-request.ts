/** Reads the variable parts of a request. Throws INVALID where the bytes break the protocol. */
import { DriveError, type PlainName } from '../../base/index.js'
import type { MountSession } from '../operations/session.js'

const MAX_NAME_BYTES = 255

/** The NUL-terminated string at `at`, without its NUL; sets `session.cursor` to the byte after it. */
export function readString(session: MountSession, at: number, end: number): string {
  const bytes = session.in.bytes
  let stop = at
  while (stop < end && bytes[stop] !== 0) stop++
  if (stop >= end) throw malformed()
  session.cursor = stop + 1
  return bytes.toString('latin1', at, stop)
}

/** A file name: 1 … 255 bytes without `/`. */
export function readName(session: MountSession, at: number, end: number): PlainName {
  const name = readString(session, at, end)
  if (name.length === 0 || name.includes('/')) throw malformed()
  if (name.length > MAX_NAME_BYTES) throw new DriveError('NAME_TOO_LONG', 'The name is longer than 255 bytes.')
  return name as PlainName
}

/** A 64-bit number that must be exact, such as an offset, a length or a handle. */
export function readExact(session: MountSession, at: number): number {
  const value = session.in.u64(at)
  if (value > Number.MAX_SAFE_INTEGER) throw new DriveError('FILE_TOO_LARGE', 'The number is 2^53 or greater.')
  return value
}

export function malformed(): DriveError {
  return new DriveError('INVALID', 'The kernel sent a malformed request.')
}
