/**
 * Notices that the daemon was stopped (SIGSTOP, or Ctrl-Z where it runs in the foreground). The kernel goes on
 * accepting connections for it, so a command would wait for ever without a word.
 */
import { readFile } from 'node:fs/promises'
import { DriveError, sleep } from '../base/index.js'

/** A daemon that runs answers `status` long before. */
const SILENT_MS = 3000
/** It may be continued in this moment. */
const AGAIN_MS = 1000
const STOPPED = /^[Tt]/

export interface StoppedOptions {
  /** The process in the lock file of the home. */
  readonly daemonPid: () => Promise<number | undefined>
  /** Called once, when the daemon is found stopped. */
  readonly onStopped: (error: DriveError) => void
}

/** Does the call, and looks after the daemon meanwhile. */
export async function watchingDaemon<T>(call: () => Promise<T>, options: StoppedOptions): Promise<T> {
  const end = new AbortController()
  void tellIfStopped(options, end.signal).catch(() => {
    // The call has ended.
  })
  try {
    return await call()
  } finally {
    end.abort()
  }
}

async function tellIfStopped({ daemonPid, onStopped }: StoppedOptions, signal: AbortSignal): Promise<void> {
  for (;;) {
    await sleep(SILENT_MS, signal)
    const pid = await daemonPid()
    if (pid === undefined || !(await isStoppedDaemon(pid))) continue
    await sleep(AGAIN_MS, signal)
    if (!(await isStoppedDaemon(pid))) continue
    onStopped(
      new DriveError(
        'DAEMON_UNREACHABLE',
        `The daemon (process ${pid}) is stopped and cannot answer. To continue it: kill -CONT ${pid}`,
        { about: { pid } },
      ),
    )
    return
  }
}

/** False for another program with the number of a daemon that has ended. */
async function isStoppedDaemon(pid: number): Promise<boolean> {
  try {
    if (!(await readFile(`/proc/${pid}/cmdline`, 'latin1')).includes('/daemon/lifecycle/main.js')) return false
    // The name of the program, in parentheses, may contain anything.
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1')
    return STOPPED.test(stat.slice(stat.lastIndexOf(')') + 2))
  } catch {
    return false // it has ended, or this system has no /proc
  }
}
