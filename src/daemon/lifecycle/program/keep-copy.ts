/** Keeps the copy of the program that this daemon runs from, and removes others that nobody uses. */
import { utimes } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemClock } from '../../../base/index.js'
import { copiesFolder, programRoot, removeOldCopies } from '../../../platform/index.js'

const HOUR_MS = 3_600_000

/** Does nothing in a daemon that runs in place. */
export function keepOwnCopy(): void {
  const folder = copiesFolder(process.env)
  const own = programRoot()
  if (folder === undefined || dirname(own) !== folder) return
  const mark = async (): Promise<void> => {
    const now = new Date(systemClock.nowMs())
    await utimes(own, now, now)
  }
  void mark()
    .then(() => removeOldCopies(folder, own, systemClock.nowMs()))
    .catch(() => undefined) // the next daemon removes them
  setInterval(() => void mark().catch(() => undefined), HOUR_MS).unref()
}
