/**
 * Small random reads. The first read of a block opens and verifies the whole block. Later reads open only the pages
 * they need; these must be the verified ones (PartOpener in src/pipeline). Otherwise each such read would open 256 KiB.
 */
import { isDriveError, MIB } from '../../base/index.js'
import { SEALED_PAGE_BYTES, type Core, type PageTags } from '../../pipeline/index.js'
import type { ChunkRecord } from '../../tree-state/index.js'
import type { BlockStore } from '../../storage/blocks/index.js'

/** The memory for tags, enough for 2 GiB of blocks. */
const TAG_BYTES = 8 * MIB

interface Checked {
  readonly pages: PageTags
  /** The key the block was opened with: another key would silently give other plaintext. */
  readonly key: Uint8Array
  readonly plainLength: number
}

export class PartReader {
  readonly #store: BlockStore
  readonly #core: Core
  readonly #checked = new Map<string, Checked>()
  #tagBytes = 0
  readonly #sealed = Buffer.allocUnsafeSlow(MIB)
  readonly #plain = Buffer.allocUnsafeSlow(MIB)
  /** Buffer for results, filled from front to back; its bytes are never reused. */
  #room = Buffer.alloc(0)

  constructor(store: BlockStore, core: Core) {
    this.#store = store
    this.#core = core
  }

  /**
   * Plaintext bytes `from … to` of the block. Undefined when the block is not in memory, is damaged or shorter, or
   * cannot be opened in parts.
   */
  open(
    name: string,
    row: Pick<ChunkRecord, 'digest' | 'key'>,
    from: number,
    to: number,
    wait: boolean,
  ): Uint8Array | undefined {
    if (this.#core.parts === undefined) return undefined
    const known = this.#checked.get(name)
    if (known === undefined || Buffer.compare(known.key, row.key) !== 0) return this.#openWhole(name, row, from, to)
    if (to > known.plainLength) return undefined
    const first = Math.floor(from / SEALED_PAGE_BYTES)
    const pages = this.#sealed.subarray(0, (Math.ceil(to / SEALED_PAGE_BYTES) - first) * SEALED_PAGE_BYTES)
    if (!this.#store.readPartNow(row.digest, first * SEALED_PAGE_BYTES, pages, wait)) return undefined
    const into = this.#take(to - from)
    const skip = from - first * SEALED_PAGE_BYTES
    if (this.#core.parts.open({ pages, first, skip }, known.pages, row.key, into)) return into
    this.#forget(name)
    return undefined
  }

  /**
   * Opens the whole block, so that parts can be opened later.
   * @returns the length of the plaintext, which is in `#plain`; undefined when the block is damaged or cannot be opened
   * in parts
   */
  check(name: string, row: Pick<ChunkRecord, 'key'>, sealed: Uint8Array): number | undefined {
    const core = this.#core
    if (core.parts === undefined) return undefined
    this.#forget(name)
    let plainLength: number
    try {
      plainLength = core.openLeafInto(sealed, row.key, this.#plain)
    } catch (error) {
      // The local copy is damaged: `load` asks a node for another one.
      if (isDriveError(error, 'CORRUPT')) return undefined
      throw error
    }
    const pages = core.parts.tag(sealed)
    this.#checked.set(name, { pages, key: row.key, plainLength })
    this.#tagBytes += pages.tags.length
    for (const oldest of this.#checked.keys()) {
      if (this.#tagBytes <= TAG_BYTES) break
      this.#forget(oldest)
    }
    return plainLength
  }

  clear(): void {
    this.#checked.clear()
    this.#tagBytes = 0
    this.#room = Buffer.alloc(0)
  }

  #openWhole(name: string, row: Pick<ChunkRecord, 'digest' | 'key'>, from: number, to: number): Uint8Array | undefined {
    const sealed = this.#store.readNow(row.digest, false, this.#sealed)
    if (sealed === undefined) return undefined
    const length = this.check(name, row, sealed)
    if (length === undefined || to > length) return undefined
    const into = this.#take(to - from)
    into.set(this.#plain.subarray(from, to))
    return into
  }

  #take(bytes: number): Buffer {
    if (bytes > this.#room.length) this.#room = Buffer.allocUnsafeSlow(Math.max(MIB, bytes))
    const taken = this.#room.subarray(0, bytes)
    this.#room = this.#room.subarray(bytes)
    return taken
  }

  #forget(name: string): void {
    const known = this.#checked.get(name)
    if (known === undefined) return
    this.#checked.delete(name)
    this.#tagBytes -= known.pages.tags.length
  }
}
