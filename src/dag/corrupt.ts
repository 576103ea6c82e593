import { DriveError } from '../base/index.js'

/** The error of every decoder here: bytes that are not what this format allows. Never says what they hold. */
export function corrupt(what: string, cause?: unknown): DriveError {
  return new DriveError('CORRUPT', `Damaged data: ${what}.`, cause === undefined ? {} : { cause })
}
