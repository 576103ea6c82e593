/** Records what a daemon and its holder took with them when both ended. */
import type { Losses } from '../lifecycle/losses.js'
import type { Holder } from './contract.js'

/** Durable when it resolves. Does nothing if the log was empty, or if its holder is there. */
export async function noteLostLog(
  holder: Pick<Holder, 'lostSinceMs' | 'drop'>,
  losses: Pick<Losses, 'note'>,
): Promise<void> {
  if (holder.lostSinceMs === undefined) return
  await losses.note(
    'The daemon ended, and its holder did too before a daemon could go on: ' +
      `changes that programs made since ${textOf(holder.lostSinceMs)}, and that are not on disk, may be lost. What fsync confirmed is there.`,
  )
  // Removes the mark.
  holder.drop()
}

/** The latest time a Date can represent. */
const MOST_DATE_MS = 8.64e15

/** The file of the mark may hold any number. */
const textOf = (ms: number): string =>
  Math.abs(ms) <= MOST_DATE_MS ? `${new Date(ms).toISOString().slice(0, 19)}Z` : 'an unknown time'
