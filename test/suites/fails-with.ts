/** An assertion about the code of an error. */
import type { ExecutionContext } from 'ava'
import { isDriveError, type DriveErrorCode } from '../../src/base/index.js'

/** Asserts that the promise rejects with a DriveError of one of these codes. */
export async function failsWith(
  t: ExecutionContext,
  codes: readonly DriveErrorCode[],
  promise: Promise<unknown>,
): Promise<void> {
  try {
    await promise
    t.fail(`should have failed with ${codes.join(' or ')}`)
  } catch (error) {
    t.true(isDriveError(error) && codes.includes(error.code), `${codes.join('/')} expected, got ${String(error)}`)
  }
}
