/** Keeps the copy of the program that this daemon runs from, and removes others that nobody uses. */
import { realpath, utimes } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemClock, type Log } from '../../../base/index.js'
import { copiesFolder, isPrivatePlace, programRoot, removeOldCopies } from '../../../platform/index.js'

const HOUR_MS = 3_600_000

/** For a daemon that runs in place, only says why if the reason is another user. */
export async function keepOwnCopy(log: Log): Promise<void> {
  const chosen = copiesFolder(process.env)
  const own = programRoot()
  const folder = chosen === undefined ? undefined : await realpath(chosen).catch(() => undefined) // none was made
  if (folder === undefined) return
  if (dirname(own) !== folder) {
    if (!isPrivatePlace(folder, process.geteuid?.()))
      log.warn('the program runs in place: another user can change the folder of its copies')
    return
  }
  const mark = async (): Promise<void> => {
    const now = new Date(systemClock.nowMs())
    await utimes(own, now, now)
  }
  void mark()
    .then(() => removeOldCopies(folder, own, systemClock.nowMs()))
    .catch(() => undefined) // the next daemon removes them
  setInterval(() => void mark().catch(() => undefined), HOUR_MS).unref()
}
