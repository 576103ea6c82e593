/** Decides when to publish without a request. */
import type { Clock } from '../../base/index.js'
import type { DriveCounts } from '../../tree-state/index.js'
import type { SyncSettings } from '../contract.js'

export class Due {
  #changedSinceMs: number | undefined
  #begunMs = -Infinity
  /** Time of the last publish that was meant to free space, while the disk is still full. */
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

  /** A publish of everything up to now has begun. */
  begun(): void {
    this.#changedSinceMs = undefined
    this.#begunMs = this.clock.monotonicMs()
  }

  /** A publish succeeded, or the steps that are possible without one. */
  published(): void {
    if (this.#isShortOfSpace) this.#triedForSpaceMs = this.clock.monotonicMs()
  }

  /** The disk was full at the last check. */
  get isShortOfSpace(): boolean {
    return this.#isShortOfSpace
  }

  /** The disk is full, and there was no recent try to free space. */
  needsRoom({ isShortOfSpace }: Pick<DriveCounts, 'isShortOfSpace'>): boolean {
    this.#isShortOfSpace = isShortOfSpace
    if (!isShortOfSpace) this.#triedForSpaceMs = -Infinity
    return this.needsRoomInMs <= 0
  }

  /** Milliseconds until the next try to free space; Infinity if the disk was not full at the last check. */
  get needsRoomInMs(): number {
    if (!this.#isShortOfSpace) return Infinity
    return Math.max(0, this.#triedForSpaceMs + this.settings.spaceRetryMs - this.clock.monotonicMs())
  }

  /**
   * @param isNew nothing was ever published
   * @returns milliseconds until the next publish: 0 now, Infinity while nothing changes
   */
  inMs(counts: Pick<DriveCounts, 'dirtyInodes' | 'lastChangeMs' | 'isShortOfSpace'>, isNew: boolean): number {
    const { dirtyInodes, lastChangeMs } = counts
    const now = this.clock.monotonicMs()
    const needsRoom = this.needsRoom(counts)
    // An empty new drive is published at once, so that its name exists. With more than the root directory, the first
    // version is debounced like any other.
    if (isNew && dirtyInodes <= 1) return 0
    // The next version frees the space of removed files, also of files that were unlinked while open.
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
