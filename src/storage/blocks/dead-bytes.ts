/**
 * Bytes in segments that deleted blocks left behind, until the disk gets them back. Dying: the durable index and the
 * overlay's commit still have to drop them. Dead: the running commit drops them. Free: the durable index no longer
 * refers to them. Only free bytes are punched or unlinked.
 */
import type { BlockLocation, SegmentFiles } from '../segments/index.js'
import type { SegmentLedger } from './segment-ledger.js'

export class DeadBytes {
  #dying: BlockLocation[] = []
  #dead: BlockLocation[] = []
  #free: BlockLocation[] = []
  /** Segments without blocks: as of the running commit, and as of the last durable one. */
  #emptied: number[] = []
  #removable: number[] = []

  constructor(
    private readonly ledger: SegmentLedger,
    private readonly files: SegmentFiles,
  ) {}

  add(location: BlockLocation): void {
    this.#dying.push(location)
  }

  /** The dying bytes now belong to the commit being frozen. */
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

  /** Removes segments without blocks, and punches the other free bytes out of their segments. */
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

  /** No writer has the segment open, and no bytes of it are waiting to be indexed. */
  isSettled(segment: number): boolean {
    return this.ledger.isOld(segment) || this.files.isFinished(segment, this.ledger.announcedIn(segment))
  }
}
