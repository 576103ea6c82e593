/**
 * Digests that chunk rows have referenced since a given moment: a block with such a digest must not be discarded. Two
 * moments matter: the last freeze, and the start of a discard scan.
 */
import { hex } from '../../base/index.js'

/** With more digests than this, the rows are scanned instead. */
const MOST_NAMES = 100_000

export class NamedBlocks {
  /** The sequence of the last freeze of this run; -1 when there was none, or when too many digests were noted since. */
  since = -1
  #names = new Set<string>()
  readonly #scans = new Set<Set<string>>()

  /** Records that a chunk row references the block. */
  note(digest: Uint8Array): void {
    if (this.since < 0 && this.#scans.size === 0) return
    const name = hex(digest)
    for (const scan of this.#scans) scan.add(name)
    if (this.since < 0) return
    this.#names.add(name)
    if (this.#names.size > MOST_NAMES) this.frozenAt(-1)
  }

  /** @param sequence of the commit of a freeze */
  frozenAt(sequence: number): void {
    this.since = sequence
    this.#names = new Set()
  }

  get names(): ReadonlySet<string> {
    return this.#names
  }

  /** Runs `scan` with a live set of the digests referenced since the current discard scan started. */
  async whileScanning(scan: (named: ReadonlySet<string>) => Promise<void>): Promise<void> {
    const named = new Set<string>()
    this.#scans.add(named)
    try {
      await scan(named)
    } finally {
      this.#scans.delete(named)
    }
  }
}
