/**
 * A test loads this file into a daemon (`node --import`). The drive thread throws as soon as the file
 * DAGDRIVE_TEST_END_THREAD exists, and removes that file.
 */
import { existsSync, unlinkSync } from 'node:fs'
import { isMainThread, workerData } from 'node:worker_threads'

const path = process.env['DAGDRIVE_TEST_END_THREAD']
const isDriveThread = !isMainThread && (workerData as { dataPort?: unknown } | null)?.dataPort !== undefined
if (path !== undefined && isDriveThread) {
  setInterval(() => {
    if (!existsSync(path)) return
    unlinkSync(path)
    throw new Error('ended by a test')
  }, 20).unref()
}
