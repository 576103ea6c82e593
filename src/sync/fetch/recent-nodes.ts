/** A cache of the last few tree nodes read: a list that is read in pages needs the nodes at page boundaries twice. */
import { hex } from '../../base/index.js'
import type { FetchBlock } from '../../dag/index.js'

const KEPT = 16

export class RecentNodes {
  readonly #kept = new Map<string, Uint8Array>()
  readonly #source: FetchBlock

  constructor(source: FetchBlock) {
    this.#source = source
  }

  readonly fetch: FetchBlock = async (digest, codec, signal) => {
    const name = hex(digest)
    const known = this.#kept.get(name)
    if (known !== undefined) return known
    const bytes = await this.#source(digest, codec, signal)
    if (this.#kept.size >= KEPT) this.#kept.delete(this.#kept.keys().next().value!)
    this.#kept.set(name, bytes)
    return bytes
  }
}
