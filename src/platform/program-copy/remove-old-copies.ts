/** Removes copies of the program that no daemon runs from. A daemon marks its copy every hour. */
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

const HOUR_MS = 3_600_000
const MOST_KEPT = 8

/** Copies that were not marked for two hours, except the newest ones; after a week those too. */
export async function removeOldCopies(folder: string, own: string, nowMs: number): Promise<void> {
  const copies: { path: string; ageMs: number }[] = []
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    if (path !== own) copies.push({ path, ageMs: nowMs - (await stat(path)).mtimeMs })
  }
  copies.sort((one, other) => one.ageMs - other.ageMs)
  for (const [index, { path, ageMs }] of copies.entries()) {
    if (ageMs > 7 * 24 * HOUR_MS || (ageMs > 2 * HOUR_MS && index >= MOST_KEPT - 1))
      await rm(path, { recursive: true, force: true })
  }
}
