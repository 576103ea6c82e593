/** Finds the programs that use a mount, for the BUSY message. */
import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { printable } from '../../base/index.js'

const MOST_NAMED = 5

/**
 * `name (pid)` of the programs that have the directory or a file in it open, if this user may see them. Reads only
 * /proc, never the mount.
 */
export async function usersOf(directory: string): Promise<string[]> {
  const users: string[] = []
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid || !(await uses(join('/proc', pid), directory))) continue
    const name = await readFile(join('/proc', pid, 'comm'), 'utf8').catch(() => '?') // it has just ended
    users.push(`${printable(name.trim())} (${pid})`)
  }
  return users
}

/** The message of a BUSY error: the programs, and the remedy. */
export function busyMessage(directory: string, users: readonly string[]): string {
  const more = users.length - MOST_NAMED
  const who = [...users.slice(0, MOST_NAMED), ...(more > 0 ? [`${more} more`] : [])].join(', ')
  return `Programs still use ${directory}${who === '' ? '' : `: ${who}`}. Close their files and leave the directory, or use --force to abort them.`
}

async function uses(processDirectory: string, directory: string): Promise<boolean> {
  const descriptors = await readdir(join(processDirectory, 'fd')).catch(() => []) // ended, or of another user
  for (const link of ['cwd', 'root', ...descriptors.map((name) => join('fd', name))]) {
    const target = await readlink(join(processDirectory, link)).catch(() => '') // as above
    if (target === directory || target.startsWith(`${directory}/`)) return true
  }
  return false
}
