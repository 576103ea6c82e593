/** Whether a new mount is served. */
import { stat } from 'node:fs/promises'
import { DriveError, sleep } from '../../base/index.js'

const ANSWER_TIMEOUT_MS = 20_000

/**
 * Waits in the threadpool for an answer of the mount, so that the drive thread is not blocked.
 * @throws TIMEOUT, MOUNT_FAILED
 */
export async function mountAnswers(directory: string): Promise<void> {
  const late = new AbortController()
  try {
    await Promise.race([
      stat(directory),
      sleep(ANSWER_TIMEOUT_MS, late.signal).then(() => {
        throw new DriveError('TIMEOUT', 'The mount does not answer.')
      }),
    ])
  } catch (error) {
    if (error instanceof DriveError) throw error
    throw new DriveError('MOUNT_FAILED', 'The mount does not answer.', { cause: error })
  } finally {
    late.abort()
  }
}
