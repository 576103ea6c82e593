/** Starts the holder program, which outlives its daemon. */
import { spawn } from 'node:child_process'
import type { Log } from '../../base/index.js'
import type { DrivePaths } from '../../platform/index.js'
import { SHARED_BYTES } from '../../fuse/index.js'

const START_MS = 5_000

/** Resolves with whether its socket answers. */
export function startHolder(
  program: string,
  { paths, log }: { readonly paths: Pick<DrivePaths, 'holderSocket' | 'lockFile' | 'logFile'>; readonly log: Log },
): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(program, [paths.holderSocket, paths.lockFile, paths.logFile, String(SHARED_BYTES)], {
      detached: true,
      cwd: '/',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const timer = setTimeout(() => settle(false), START_MS)
    const settle = (isReady: boolean): void => {
      clearTimeout(timer)
      child.stdout.destroy()
      child.unref()
      resolve(isReady)
    }
    child.stdout.once('data', () => settle(true))
    child.once('error', (error) => {
      log.warn('the holder could not be started', { error: error.message })
      settle(false)
    })
    child.once('exit', () => settle(false))
  })
}
