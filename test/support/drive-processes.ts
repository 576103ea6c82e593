/** The processes of a real drive: its daemon, and the holder of its mount. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const DAEMON = '/src/daemon/'

/**
 * The daemon of a home, or undefined when none runs. Of several, that which has the lock: another one may wait for it,
 * or is about to end without it.
 */
export function daemonOf(home: string): number | undefined {
  return (
    lockOwner(home) ??
    findProcess(
      (pid) =>
        readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`DAGDRIVE_HOME=${home}\0`) &&
        readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(DAEMON),
    )
  )
}

/** The daemon's environment may not be readable: its memory is private. */
function lockOwner(home: string): number | undefined {
  try {
    const { pid } = JSON.parse(readFileSync(join(home, 'daemon.lock'), 'utf8')) as { pid: number }
    if (!readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(DAEMON)) return undefined
    return belongsTo(pid, home) === false ? undefined : pid
  } catch {
    return undefined // no daemon has run, or it has ended
  }
}

/** False for a later process that got the number of an ended daemon. Undefined: its environment is not readable. */
function belongsTo(pid: number, home: string): boolean | undefined {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`DAGDRIVE_HOME=${home}\0`)
  } catch {
    return undefined
  }
}

/** The process that keeps the mount of a home, or undefined. */
export function holderOf(home: string): number | undefined {
  return findProcess((pid) => {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')
    return words[0]?.endsWith('/dagdrive_holder') === true && words[1]?.startsWith(`${home}/`) === true
  })
}

function findProcess(isIt: (pid: string) => boolean): number | undefined {
  const found = readdirSync('/proc').find((entry) => {
    try {
      return /^\d+$/.test(entry) && isIt(entry)
    } catch {
      return false // the process ended, or belongs to another user
    }
  })
  return found === undefined ? undefined : Number(found)
}

/** Waits until a killed process has ended, for at most two minutes. */
export function untilEnded(pid: number): void {
  for (let i = 0; i < 12_000 && existsSync(`/proc/${pid}/fd/0`); i++)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
}
