/** Finds a holder that was stopped. It keeps the log of what programs were told is done, so it is not given up. */
import { readdir, readFile } from 'node:fs/promises'
import type { Log } from '../../base/index.js'

const STOPPED = 'T'

/** Sends SIGCONT to the holder of this socket, if it is stopped. Never rejects. */
export async function continueHolder(socket: string, log: Log): Promise<void> {
  try {
    for (const entry of await readdir('/proc')) {
      if (!/^\d+$/.test(entry) || !(await isStoppedHolder(entry, socket))) continue
      process.kill(Number(entry), 'SIGCONT')
      log.warn('the holder was stopped, and is continued')
    }
  } catch (error) {
    log.warn('the holder could not be continued', { error: String(error) })
  }
}

async function isStoppedHolder(pid: string, socket: string): Promise<boolean> {
  try {
    const [program, first] = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0')
    if (program?.endsWith('/dagdrive_holder') !== true || first !== socket) return false
    // The name of the program, in parentheses, may contain anything.
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith(STOPPED)
  } catch {
    return false // the process has ended
  }
}
