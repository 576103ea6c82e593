/** Removes copies of the program that no daemon runs from. A daemon marks its copy every hour. */
import { lstat, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { COPY_MARKER } from './program-files.js'

const HOUR_MS = 3_600_000
const MOST_KEPT = 8
/** A copy, or one whose making was interrupted. The folder can be one in which the user has other things. */
const NAME = /^[0-9a-f]{24}(\.\d+)?$/

interface Copy {
  readonly path: string
  readonly name: string
  readonly ageMs: number
}

/** Copies that were not marked for two hours, except the newest ones; after a week those too. */
export async function removeOldCopies(folder: string, own: string, nowMs: number): Promise<void> {
  const copies: Copy[] = []
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    const markedMs = path === own || !NAME.test(name) ? undefined : await markedAt(path)
    if (markedMs !== undefined) copies.push({ path, name, ageMs: nowMs - markedMs })
  }
  copies.sort((one, other) => one.ageMs - other.ageMs)
  const old = copies.filter(
    ({ ageMs }, index) => ageMs > 7 * 24 * HOUR_MS || (ageMs > 2 * HOUR_MS && index >= MOST_KEPT - 1),
  )
  // While a machine sleeps, no daemon marks its copy.
  const used = old.length === 0 ? new Set<string>() : await namesInUse(old.map(({ name }) => name))
  for (const { path, name } of old) if (!used.has(name)) await rm(path, { recursive: true, force: true })
}

/** Undefined if it is not a copy that this user's commands made. */
async function markedAt(path: string): Promise<number | undefined> {
  try {
    const found = await lstat(path)
    if (!found.isDirectory() || found.uid !== process.geteuid?.()) return undefined
    return (await lstat(join(path, COPY_MARKER))).isFile() ? found.mtimeMs : undefined
  } catch {
    return undefined // removed meanwhile, or not a copy
  }
}

/** Names of copies that are in the command line of a process, whatever links its path goes through. */
async function namesInUse(names: readonly string[]): Promise<Set<string>> {
  const used = new Set<string>()
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '') // it ended, or is hidden
    for (const name of names) if (commandLine.includes(`/${name}/`)) used.add(name)
  }
  return used
}
