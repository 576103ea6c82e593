/** Records what a daemon and its holder took with them when both ended. */
import type { Losses } from '../lifecycle/losses.js'
import type { Holder } from './contract.js'

/** Durable when it resolves. Does nothing if the log was empty, or if its holder is there. */
export async function noteLostLog(
  holder: Pick<Holder, 'lostSinceMs' | 'drop'>,
  losses: Pick<Losses, 'note'>,
): Promise<void> {
  if (holder.lostSinceMs === undefined) return
  const since = new Date(holder.lostSinceMs).toISOString().slice(0, 19)
  await losses.note(
    'The daemon ended, and its holder did too before a daemon could go on: ' +
      `changes that programs made since ${since}Z, and that are not on disk, may be lost. What fsync confirmed is there.`,
  )
  // Removes the mark.
  holder.drop()
}
