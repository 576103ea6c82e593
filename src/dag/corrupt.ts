import { DriveError } from '../base/index.js'

/** The error of every decoder here: the bytes break the format. The message never quotes the bytes. */
export function corrupt(what: string, cause?: unknown): DriveError {
  return new DriveError('CORRUPT', `Damaged data: ${what}.`, cause === undefined ? {} : { cause })
}
