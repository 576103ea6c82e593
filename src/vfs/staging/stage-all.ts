/** Staging of every file that has bytes only in memory. */
import { DriveError, isDriveError } from '../../base/index.js'
import type { Inode } from '../inodes/inode.js'
import { stage, type StageParts } from './stage.js'

/** When it resolves, all bytes held at the call are staged. Tries all files, then rejects with the first failure. */
export async function stageAll(parts: StageParts): Promise<void> {
  const inodes = [...parts.held.files.keys()]
  const work = inodes.map((inode) => stage(parts, inode))
  parts.sealing.flushBatch()
  const failures = (await Promise.allSettled(work)).filter((result) => result.status === 'rejected')
  const reason: unknown = failures[0]?.reason
  if (reason === undefined) return
  throw isDriveError(reason) ? reason : new DriveError('INTERNAL', 'Staging failed.', { cause: reason })
}

/** A failure is already in the status; its bytes stay held. */
export async function tryToStageAll(parts: StageParts): Promise<void> {
  if (parts.held.files.size > 0) await stageAll(parts).catch(() => undefined)
}

/**
 * Files with bytes that are only in memory, except those that could not be staged: they wait for space, and no commit
 * waits for them.
 */
export function stageable(parts: Pick<StageParts, 'held'>): Inode[] {
  return [...parts.held.files.keys()].filter(({ content }) => content?.hasHeld === true && content.error === undefined)
}
