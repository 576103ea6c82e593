/**
 * Digests that chunk rows have named since some moment: a block that is about to be discarded stays when one of them is
 * its name. Two moments matter: the last freeze, and the beginning of a scan for blocks to discard.
 */
import { hex } from '../../base/index.js'

/** Beyond so many the rows themselves are scanned instead. */
const MOST_NAMES = 100_000

export class NamedBlocks {
  /** The sequence of the last freeze of this run; -1 when none was, or too much was named since. */
  since = -1
  #names = new Set<string>()
  readonly #scans = new Set<Set<string>>()

  /** A chunk row names the block from now on. */
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

  /** Runs `scan` with the set that takes every name noted meanwhile. */
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
