/**
 * Bytes in segments that blocks left behind, on their way back to the disk: named by the overlay's index still (dying),
 * gone with the commit that runs (dead), gone from the durable index (free). Only free ones are punched or unlinked.
 */
import type { BlockLocation, SegmentFiles } from '../segments/index.js'
import type { SegmentLedger } from './segment-ledger.js'

export class DeadBytes {
  #dying: BlockLocation[] = []
  #dead: BlockLocation[] = []
  #free: BlockLocation[] = []
  /** Segments without blocks: as of the commit that runs, and of the last durable one. */
  #emptied: number[] = []
  #removable: number[] = []

  constructor(
    private readonly ledger: SegmentLedger,
    private readonly files: SegmentFiles,
  ) {}

  add(location: BlockLocation): void {
    this.#dying.push(location)
  }

  /** What died so far belongs to the commit being frozen. */
  freeze(): void {
    this.#dead.push(...this.#dying)
    this.#dying = []
    this.#emptied = [...this.ledger.empty]
  }

  /** The frozen commit is durable. */
  committed(): void {
    this.#free.push(...this.#dead)
    this.#dead = []
    this.#removable = this.#emptied
  }

  /** Removes segments without blocks, and punches the rest of the free bytes out of the others. */
  async giveBack(): Promise<void> {
    const locations = this.#free
    this.#free = []
    for (const segment of this.#removable) {
      if (!this.ledger.empty.has(segment) || !this.isSettled(segment)) continue
      this.ledger.forget(segment)
      await this.files.remove(segment)
    }
    for (const location of locations) {
      const { segment } = location
      if (this.ledger.knows(segment)) this.ledger.freed(segment, this.files.punch(location))
    }
  }

  /** No writer has the segment, and none of its bytes are on their way to the index. */
  isSettled(segment: number): boolean {
    return this.ledger.isOld(segment) || this.files.isFinished(segment, this.ledger.announcedIn(segment))
  }
}
