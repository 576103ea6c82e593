/**
 * fsync(2) waits here (see PosixTree.sync). Group commits of `meta`, always after a commit of the blocks that their
 * rows refer to. Everything the tree did before the overlay is taken belongs to the commit, including file bytes. The
 * stored size of a file excludes bytes that cannot be staged.
 */
import { deferred, DriveError, MIB } from '../../base/index.js'
import { stageNow, type StageParts } from './stage.js'
import { stageable, stageAll, tryToStageAll } from './stage-all.js'
import type { Inode } from '../inodes/inode.js'
import { Wait } from '../maybe.js'
import { closeSequence } from '../inodes/state-rows.js'
import type { ApplyGate } from './apply-gate.js'
import type { Failures } from './failures.js'
import type { NamedBlocks } from './named-blocks.js'
import type { TreeBlocks } from './tree-blocks.js'

/** The parts that a commit uses. */
export interface CommitParts extends StageParts {
  readonly blocks: TreeBlocks
  readonly named: NamedBlocks
  readonly gate: ApplyGate
  readonly failures: Failures
}

interface Hold {
  /** Ends without `resume`. */
  readonly isBrief: boolean
  readonly released: Promise<void>
  readonly release: () => void
}

interface Taken {
  readonly sequence: number
  readonly reservedIno: number
  readonly committed: Promise<void>
}

/** How many times a commit waits again for bytes written during its wait. */
const MAX_ROUNDS = 5
/** If no more bytes than this were written, they become pages instead. */
const MAX_PAGED_BYTES = 1 * MIB

export class Committer {
  readonly #parts: CommitParts
  #running: Promise<number> | undefined
  /** The running commit has not taken the overlay yet, so it includes bytes staged now. */
  #isJoinable = false
  #next: Promise<number> | undefined
  #hold: Hold | undefined
  #quiet: Hold | undefined

  constructor(parts: CommitParts) {
    this.#parts = parts
  }

  get isPending(): boolean {
    const { inodes, state, blocks } = this.#parts
    return inodes.changed.size > 0 || state.hasPending || blocks.hasChanges
  }

  /**
   * Everything staged so far is durable when it resolves. Rejects with NO_SPACE and keeps everything for the next try.
   */
  async commit(): Promise<void> {
    if (this.#running === undefined && !this.isPending) return
    // No await may lie between this check and joining: another waiter for the same hold could take the next hold.
    while (this.#hold !== undefined) await this.#hold.released
    await this.#join()
  }

  /** Starts a commit unless one runs; a failure shows in the status. */
  begin(): void {
    if (this.#running !== undefined) return
    this.commit().catch(() => {
      // The committer has noted the failure, and the next commit tries again.
    })
  }

  /** The wait of a writer; undefined when it may continue. */
  whenWritable(): Wait | undefined {
    return this.#quiet === undefined ? undefined : new Wait(this.#quiet.released)
  }

  /**
   * Snapshot: stages and commits everything while writers wait, and holds further commits until `resume`.
   * @returns the sequence of the commit
   */
  async freeze(): Promise<number> {
    while (this.#hold?.isBrief === true) await this.#hold.released
    if (this.#hold !== undefined) throw new DriveError('BUSY', 'Commits are held already.')
    const hold = (this.#hold = makeHold(false))
    const quiet = (this.#quiet = makeHold(true))
    try {
      while (this.#parts.held.files.size > 0) await stageAll(this.#parts)
      while (this.#running !== undefined) await this.#running.catch(() => 0)
      return await this.#start(true)
    } catch (error) {
      this.#hold = undefined
      hold.release()
      throw error
    } finally {
      this.#release(quiet)
    }
  }

  resume(): void {
    const hold = this.#hold
    this.#hold = undefined
    hold?.release()
  }

  /** Runs `work` while no commit runs. All rows it puts belong to the next commit. */
  async between(work: () => void | Promise<void>): Promise<void> {
    while (this.#hold !== undefined) await this.#hold.released
    const hold = (this.#hold = makeHold(true))
    try {
      while (this.#running !== undefined) await this.#running.catch(() => 0)
      await work()
    } finally {
      if (this.#hold === hold) this.#hold = undefined
      hold.release()
    }
  }

  #join(): Promise<number> {
    if (this.#running === undefined) return this.#start(false)
    if (this.#isJoinable) return this.#running
    const again = async (): Promise<number> => {
      this.#next = undefined
      while (this.#hold !== undefined) await this.#hold.released
      return this.#join()
    }
    return (this.#next ??= this.#running.then(again, again))
  }

  #start(isHolder: boolean): Promise<number> {
    const run = this.#run(isHolder)
    this.#running = run
    return run
  }

  async #run(isHolder: boolean): Promise<number> {
    const parts = this.#parts
    this.#isJoinable = true
    try {
      // The caller sets `#running` before this continues.
      await Promise.resolve()
      await tryToStageAll(parts)
      const sequence = await this.#write(isHolder)
      parts.failures.last = undefined
      return sequence
    } catch (error) {
      parts.failures.note('a commit failed', error)
      throw error
    } finally {
      this.#isJoinable = false
      this.#running = undefined
    }
  }

  /** Waits until almost all held bytes are staged. If writers are too fast, they have to wait. */
  async #write(isHolder: boolean): Promise<number> {
    const parts = this.#parts
    let quiet: Hold | undefined
    try {
      for (let round = 1; ; round++) {
        let taken: Taken | undefined
        parts.gate.close()
        try {
          await parts.blocks.commit()
          await nextTurn()
          if (round === MAX_ROUNDS || bytesOf(stageable(parts)) <= MAX_PAGED_BYTES) {
            taken = this.#takeOverlay(isHolder, round)
          }
        } finally {
          parts.gate.open()
        }
        if (taken !== undefined) {
          if (quiet !== undefined) this.#release(quiet)
          await taken.committed
          parts.state.durable = Math.max(parts.state.durable, taken.sequence)
          parts.state.durableReservedIno = taken.reservedIno
          parts.inodes.noteDurable()
          return taken.sequence
        }
        if (this.#quiet === undefined) quiet = this.#quiet = makeHold(true)
        await tryToStageAll(parts)
      }
    } finally {
      if (quiet !== undefined) this.#release(quiet)
    }
  }

  /**
   * Takes the snapshot of a commit: all rows so far, and no later ones. Bytes written since the commit began to stage
   * become pages.
   * @returns undefined when some bytes first need the blocks around them; in the last round they are left out instead
   */
  #takeOverlay(isHolder: boolean, round: number): Taken | undefined {
    const parts = this.#parts
    let isComplete = true
    for (const inode of stageable(parts)) if (!stageNow(parts, inode)) isComplete = false
    if (!isComplete && round < MAX_ROUNDS) return undefined
    const isNothing = !this.isPending
    if (!isNothing) parts.inodes.writeChanged()
    const sequence = isNothing ? parts.state.sequence - 1 : closeSequence(parts.state)
    const committed = isNothing ? Promise.resolve() : parts.state.commit()
    this.#isJoinable = false
    if (isHolder) {
      parts.named.frozenAt(sequence)
      parts.inodes.unpublished.freeze(sequence)
      if (this.#quiet !== undefined) this.#release(this.#quiet)
    }
    return { sequence, reservedIno: parts.state.reservedIno, committed }
  }

  #release(quiet: Hold): void {
    if (this.#quiet === quiet) this.#quiet = undefined
    quiet.release()
  }
}

function bytesOf(inodes: readonly Inode[]): number {
  return inodes.reduce((sum, { content }) => sum + (content?.accounted ?? 0), 0)
}

/**
 * Waits until the current calls are answered. A change and its entry in the mount's log are a few promises apart, and
 * one commit has both or neither.
 */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function makeHold(isBrief: boolean): Hold {
  const { promise: released, resolve: release } = deferred<void>()
  return { isBrief, released, release }
}
