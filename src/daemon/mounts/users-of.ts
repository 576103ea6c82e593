/** Which programs use a mount, so that BUSY can name them. */
import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { printable } from '../../base/index.js'

const MOST_NAMED = 5

/**
 * `name (pid)` of programs that are in the directory or have a file of it open, as far as this user may see. Asks only
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

/** The sentence of a BUSY: who, and what can be done. */
export function busyMessage(directory: string, users: readonly string[]): string {
  const more = users.length - MOST_NAMED
  const who = [...users.slice(0, MOST_NAMED), ...(more > 0 ? [`${more} more`] : [])].join(', ')
  return `Programs still use ${directory}${who === '' ? '' : `: ${who}`}. Leave it and close its files, or cut them off with --force.`
}

async function uses(processDirectory: string, directory: string): Promise<boolean> {
  const descriptors = await readdir(join(processDirectory, 'fd')).catch(() => []) // ended, or another user's
  for (const link of ['cwd', 'root', ...descriptors.map((name) => join('fd', name))]) {
    const target = await readlink(join(processDirectory, link)).catch(() => '') // as above
    if (target === directory || target.startsWith(`${directory}/`)) return true
  }
  return false
}
