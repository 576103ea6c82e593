/**
 * Opened blocks and who holds them: readers that wait, and a bounded cache of the most recent ones. A block that nobody
 * holds gives its buffer back; see block-buffers.ts for when the buffer is used again.
 */
import { MIB, type SecretKey } from '../../base/index.js'
import type { ChunkRecord } from '../../tree-state/index.js'
import { BlockBuffers, type RestingBlock } from './block-buffers.js'
import type { Core } from '../../pipeline/index.js'

/** The parameters of reading a block: the digest of its sealed bytes and the key that opens them. */
export type BlockRef = Pick<ChunkRecord, 'digest' | 'key'>

/** The part of the core that opens blocks. */
export type Opener = Pick<Core, 'openLeafInto'>

const OPENED_BYTES = 32 * MIB

export class OpenedBlock implements RestingBlock {
  readonly plain: Uint8Array
  /** The buffer that begins with `plain`. */
  readonly room: Uint8Array
  readonly #buffers: BlockBuffers
  #holders = 0
  #isResting = false
  #isGone = false

  constructor(room: Uint8Array, length: number, buffers: BlockBuffers) {
    this.room = room
    this.plain = room.subarray(0, length)
    this.#buffers = buffers
  }

  /** @returns false if the buffer has been given to another block */
  hold(): boolean {
    if (this.#isGone) return false
    this.#holders++
    return true
  }

  release(): void {
    this.#holders--
    if (this.#holders > 0 || this.#isResting) return
    this.#isResting = true
    this.#buffers.rest(this)
  }

  endRest(): boolean {
    this.#isResting = false
    this.#isGone = this.#holders === 0
    return this.#isGone
  }
}

/** The blocks that one reader has waited for. It needs them even if the cache drops them. */
export class OpenedBlocks {
  readonly #blocks = new Map<string, OpenedBlock>()
  readonly #copies = new Map<string, Uint8Array>()
  #isOver = false

  get(name: string): Uint8Array | undefined {
    return this.#blocks.get(name)?.plain
  }

  hold(name: string, block: OpenedBlock): void {
    if (!this.#isOver && !this.#blocks.has(name) && block.hold()) this.#blocks.set(name, block)
  }

  /** The bytes of a row of which `keepCopy` was told. */
  copyOf(row: ChunkRecord): Uint8Array | undefined {
    return this.#copies.size === 0 ? undefined : this.#copies.get(rowName(row))
  }

  /** For a reader of so many rows that it cannot hold their blocks. */
  keepCopy(row: ChunkRecord, bytes: Uint8Array): void {
    if (!this.#isOver) this.#copies.set(rowName(row), new Uint8Array(bytes))
  }

  /** The reader has its bytes, or has given up. */
  release(): void {
    this.#isOver = true
    for (const block of this.#blocks.values()) block.release()
    this.#blocks.clear()
    this.#copies.clear()
  }
}

export class RecentBlocks {
  /** Least recently used first. */
  readonly #opened = new Map<string, OpenedBlock>()
  readonly #core: Opener
  readonly #buffers = new BlockBuffers()
  #bytes = 0

  constructor(core: Opener) {
    this.#core = core
  }

  has(name: string): boolean {
    return this.#opened.has(name)
  }

  peek(name: string): OpenedBlock | undefined {
    return this.#opened.get(name)
  }

  /** Like `peek`; the block then is the most recent one. */
  use(name: string): Uint8Array | undefined {
    const block = this.#opened.get(name)
    if (block !== undefined) {
      this.#opened.delete(name)
      this.#opened.set(name, block)
    }
    return block?.plain
  }

  /**
   * Opens a sealed block and keeps it. Throws CORRUPT.
   * @returns the block with that name, which may have been opened meanwhile
   */
  open(name: string, key: SecretKey, sealed: Uint8Array): OpenedBlock {
    const known = this.#opened.get(name)
    if (known !== undefined) return known
    const block = this.#fill(sealed, key)
    block.hold()
    this.#opened.set(name, block)
    this.#bytes += block.room.length
    for (const [oldest, dropped] of this.#opened) {
      if (this.#bytes <= OPENED_BYTES || oldest === name) break
      this.#drop(oldest, dropped)
    }
    return block
  }

  clear(): void {
    for (const [name, block] of this.#opened) this.#drop(name, block)
    this.#buffers.clear()
  }

  #fill(sealed: Uint8Array, key: SecretKey): OpenedBlock {
    const room = this.#buffers.take(sealed.length)
    try {
      return new OpenedBlock(room, this.#core.openLeafInto(sealed, key, room), this.#buffers)
    } catch (error) {
      this.#buffers.putBack(room)
      throw error
    }
  }

  #drop(name: string, block: OpenedBlock): void {
    this.#opened.delete(name)
    this.#bytes -= block.room.length
    block.release()
  }
}

/** Includes the key: the wrong key gives wrong plaintext, or none. */
export const blockName = ({ digest, key }: BlockRef): string => latin1(digest) + latin1(key)

const rowName = (row: ChunkRecord): string => `${blockName(row)}${row.skip}/${row.length}`

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
