/** When it is time to publish by itself. */
import type { Clock } from '../../base/index.js'
import type { DriveCounts } from '../../tree-state/index.js'
import type { SyncSettings } from '../contract.js'

export class Due {
  #changedSinceMs: number | undefined
  #begunMs = -Infinity
  /** Of the last publish that was to give space back, while the disk is still full. */
  #triedForSpaceMs = -Infinity
  #isShortOfSpace = false

  constructor(
    private readonly clock: Clock,
    private readonly settings: Pick<SyncSettings, 'debounceMs' | 'maxDelayMs' | 'leastIntervalMs' | 'spaceRetryMs'>,
  ) {}

  /** Something changed now. */
  changed(): void {
    this.#changedSinceMs ??= this.clock.monotonicMs()
  }

  /** Everything up to now is being published. */
  begun(): void {
    this.#changedSinceMs = undefined
    this.#begunMs = this.clock.monotonicMs()
  }

  /** A publish went through, or what can be done without one. */
  published(): void {
    if (this.#isShortOfSpace) this.#triedForSpaceMs = this.clock.monotonicMs()
  }

  /** The disk was full when it was last asked. */
  get isShortOfSpace(): boolean {
    return this.#isShortOfSpace
  }

  /** The disk is full, and that was not tried to be helped just now. */
  needsRoom({ isShortOfSpace }: Pick<DriveCounts, 'isShortOfSpace'>): boolean {
    this.#isShortOfSpace = isShortOfSpace
    if (!isShortOfSpace) this.#triedForSpaceMs = -Infinity
    return this.needsRoomInMs <= 0
  }

  /** Until a full disk is to be helped again; Infinity where it was not full when it was last asked. */
  get needsRoomInMs(): number {
    if (!this.#isShortOfSpace) return Infinity
    return Math.max(0, this.#triedForSpaceMs + this.settings.spaceRetryMs - this.clock.monotonicMs())
  }

  /**
   * @param isNew nothing was ever published @returns how long until it is time: 0 now, Infinity while nothing changes
   */
  inMs(counts: Pick<DriveCounts, 'dirtyInodes' | 'lastChangeMs' | 'isShortOfSpace'>, isNew: boolean): number {
    const { dirtyInodes, lastChangeMs } = counts
    const now = this.clock.monotonicMs()
    const needsRoom = this.needsRoom(counts)
    // A new drive has a name at once; with more than its root in it, the first version is one like any other.
    if (isNew && dirtyInodes <= 1) return 0
    // What was removed gives its space back with the next version, also what had no name any more.
    if (needsRoom) return 0
    if (dirtyInodes === 0) {
      this.#changedSinceMs = undefined
      return this.needsRoomInMs
    }
    this.#changedSinceMs ??= now
    const { debounceMs, maxDelayMs, leastIntervalMs } = this.settings
    const restInMs = lastChangeMs + debounceMs - this.clock.nowMs()
    const lastInMs = this.#changedSinceMs + maxDelayMs - now
    const inMs = Math.max(Math.min(restInMs, lastInMs), this.#begunMs + leastIntervalMs - now)
    return Math.max(0, Math.min(inMs, this.needsRoomInMs))
  }
}
