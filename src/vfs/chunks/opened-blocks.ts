/** Opened blocks: by name those of one reader, and a bounded cache of the most recent ones of all readers. */
import { MIB } from '../../base/index.js'
import type { ChunkRecord } from '../../tree-state/index.js'

/** The parameters of reading a block: the digest of its sealed bytes and the key that opens them. */
export type BlockRef = Pick<ChunkRecord, 'digest' | 'key'>

/** Opened blocks by digest and key. A reader keeps its own while it needs them, even if the cache drops them. */
export type OpenedBlocks = Map<string, Uint8Array>

const OPENED_BYTES = 32 * MIB

export class RecentBlocks {
  /** Least recently used first. */
  readonly #opened: OpenedBlocks = new Map()
  #bytes = 0

  has(name: string): boolean {
    return this.#opened.has(name)
  }

  peek(name: string): Uint8Array | undefined {
    return this.#opened.get(name)
  }

  /** Like `peek`; the block then is the most recent one. */
  use(name: string): Uint8Array | undefined {
    const plain = this.#opened.get(name)
    if (plain !== undefined) {
      this.#opened.delete(name)
      this.#opened.set(name, plain)
    }
    return plain
  }

  keep(name: string, plain: Uint8Array): Uint8Array {
    if (!this.#opened.has(name)) {
      this.#opened.set(name, plain)
      this.#bytes += plain.length
      for (const [oldest, bytes] of this.#opened) {
        if (this.#bytes <= OPENED_BYTES || oldest === name) break
        this.#opened.delete(oldest)
        this.#bytes -= bytes.length
      }
    }
    return plain
  }

  clear(): void {
    this.#opened.clear()
    this.#bytes = 0
  }
}

/** Includes the key: the wrong key gives wrong plaintext, or none. */
export const blockName = ({ digest, key }: BlockRef): string => latin1(digest) + latin1(key)

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
