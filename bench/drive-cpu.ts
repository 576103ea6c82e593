/** CPU time of the processes of one drive: daemon with its threads, and holder. */
import { readdirSync, readFileSync } from 'node:fs'

/** Seconds so far, of all processes whose DAGDRIVE_HOME is `home`. Threads that have ended are not counted. */
export function driveCpuSeconds(home: string): number {
  const wanted = `DAGDRIVE_HOME=${home}`
  let nanoseconds = 0
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(wanted)) continue
      for (const thread of readdirSync(`/proc/${pid}/task`))
        nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0])
    } catch {
      // The process or the thread has ended, or belongs to another user.
    }
  }
  return nanoseconds / 1e9
}
