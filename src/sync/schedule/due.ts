/** When it is time to publish by itself. */
import type { Clock } from '../../base/index.js'
import type { DriveCounts } from '../../tree-state/index.js'
import type { SyncSettings } from '../contract.js'

export class Due {
  #changedSinceMs: number | undefined
  /** Of the last publish that was to give space back, while the disk is still full. */
  #triedForSpaceMs = -Infinity
  #isShortOfSpace = false

  constructor(
    private readonly clock: Clock,
    private readonly settings: Pick<SyncSettings, 'debounceMs' | 'maxDelayMs' | 'spaceRetryMs'>,
  ) {}

  /** Something changed now. */
  changed(): void {
    this.#changedSinceMs ??= this.clock.monotonicMs()
  }

  /** Everything up to now is being published. */
  begun(): void {
    this.#changedSinceMs = undefined
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
    return isShortOfSpace && this.clock.monotonicMs() - this.#triedForSpaceMs >= this.settings.spaceRetryMs
  }

  /** @param isNew nothing was ever published */
  ask(
    counts: Pick<DriveCounts, 'dirtyInodes' | 'lastChangeMs' | 'isShortOfSpace'>,
    isNew: boolean,
  ): 'no' | 'later' | 'now' {
    const { dirtyInodes, lastChangeMs } = counts
    const now = this.clock.monotonicMs()
    const needsRoom = this.needsRoom(counts)
    // A new drive has a name at once; with more than its root in it, the first version is one like any other.
    if (isNew && dirtyInodes <= 1) return 'now'
    // What was removed gives its space back with the next version, also what had no name any more.
    if (needsRoom) return 'now'
    if (dirtyInodes === 0) {
      this.#changedSinceMs = undefined
      return 'no'
    }
    this.#changedSinceMs ??= now
    const isResting = this.clock.nowMs() - lastChangeMs >= this.settings.debounceMs
    return isResting || now - this.#changedSinceMs >= this.settings.maxDelayMs ? 'now' : 'later'
  }
}
