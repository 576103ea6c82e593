/** A strict reader of CAR version 1 streams that hold only blocks of this format. */
import { DriveError, KIB, MIB } from '../../../src/base/index.js'
import { cidBytes, cidFromBytes, cidOf, CID_BYTES, type Cid } from '../../../src/dag/cid.js'
import { carHeader } from '../../../src/dag/car-write.js'
import type { Block } from '../../../src/dag/contract.js'
import { corrupt } from '../../../src/dag/corrupt.js'
import { sha256 } from '../../../src/dag/private-node.js'
import { VarintReader } from './varint-reader.js'

const MAX_HEADER_BYTES = 64 * KIB
/** Kubo also refuses larger blocks. */
const MAX_BLOCK_BYTES = 2 * MIB
const ROOTS_OFFSET = 8

export interface Car {
  readonly roots: readonly Cid[]
  /**
   * Can be read once. Every block is hashed.
   * @throws WRONG_BLOCK if its bytes do not match its CID, CORRUPT if the stream is damaged or truncated
   */
  readonly blocks: AsyncGenerator<Block & { readonly cid: string }, void, undefined>
}

/**
 * Reads the header. The rest is read as `blocks` is consumed. A chunk is kept only as long as the block it belongs to.
 */
export async function readCar(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Car> {
  const stream = new ByteStream(source)
  const length = await stream.length(MAX_HEADER_BYTES)
  if (length === undefined) throw corrupt('a CAR is empty')
  return { roots: decodeHeader(await stream.bytes(length)), blocks: readBlocks(stream) }
}

async function* readBlocks(stream: ByteStream): AsyncGenerator<Block & { readonly cid: string }, void, undefined> {
  try {
    for (;;) {
      const length = await stream.length(CID_BYTES + MAX_BLOCK_BYTES)
      if (length === undefined) return
      if (length < CID_BYTES) throw corrupt('a CAR section is too short')
      const { digest, codec } = cidFromBytes(await stream.bytes(CID_BYTES))
      const bytes = await stream.bytes(length - CID_BYTES)
      const cid = cidOf(digest, codec)
      if (Buffer.compare(sha256(bytes), digest) !== 0) {
        throw new DriveError('WRONG_BLOCK', 'A block does not match its CID.', { about: { cid } })
      }
      yield { cid, digest, codec, bytes }
    }
  } finally {
    await stream.close()
  }
}

/** The header of given roots has exactly one form, so it is decoded by encoding it again. */
function decodeHeader(header: Uint8Array): Cid[] {
  const entry = carHeader([new Uint8Array(CID_BYTES)]).length - carHeader([]).length
  const count = Math.floor((header.length - carHeader([]).length) / entry)
  const roots: Cid[] = []
  const headBytes = ROOTS_OFFSET + (count < 24 ? 0 : count < 256 ? 1 : 2)
  for (let i = 0; i < count; i++) {
    const end = headBytes + (i + 1) * entry
    roots.push(cidFromBytes(header.subarray(end - CID_BYTES, end)))
  }
  if (Buffer.compare(carHeader(roots.map(cidBytes)), header) !== 0) throw corrupt('a CAR header of unknown form')
  return roots
}

/** Reads exact numbers of bytes from a stream of chunks. */
class ByteStream {
  readonly #source: AsyncIterator<Uint8Array> | Iterator<Uint8Array>
  #chunk: Uint8Array = new Uint8Array(0)

  constructor(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
    this.#source = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  }

  /** A varint, or undefined at the end of the stream. */
  async length(most: number): Promise<number | undefined> {
    const reader = new VarintReader()
    for (;;) {
      if (this.#chunk.length === 0 && !(await this.#refill())) {
        if (reader.isEmpty) return undefined
        throw corrupt('a CAR ends too early')
      }
      const value = reader.push(this.#chunk[0]!)
      this.#chunk = this.#chunk.subarray(1)
      if (value === undefined) continue
      if (value > most) throw corrupt('a CAR section is too long')
      return value
    }
  }

  /** Returns a view if the bytes lie in one chunk. */
  async bytes(count: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = []
    for (let missing = count; missing > 0;) {
      if (this.#chunk.length === 0 && !(await this.#refill())) throw corrupt('a CAR ends too early')
      const piece = this.#chunk.subarray(0, missing)
      this.#chunk = this.#chunk.subarray(piece.length)
      missing -= piece.length
      pieces.push(piece)
    }
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  }

  async close(): Promise<void> {
    await this.#source.return?.()
  }

  async #refill(): Promise<boolean> {
    const next = await this.#source.next()
    if (next.done === true) return false
    this.#chunk = next.value
    return this.#chunk.length > 0 || this.#refill()
  }
}
