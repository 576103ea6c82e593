/** Writes CAR version 1 as a stream. https://ipld.io/specs/transport/car/carv1/ */
import { KIB } from '../base/index.js'
import { cidBytes, parseCid } from './cid.js'
import { CborWriter } from './cbor-writer.js'
import { varint } from './varint.js'

export interface CarInput {
  /** `bafkrei…` or `bafybei…`. */
  readonly cid: string
  readonly bytes: Uint8Array
}

/** Blocks up to this size are copied together into one chunk; larger blocks are passed on without a copy. */
const GATHER_BYTES = 64 * KIB
const COPY_AT_MOST_BYTES = 16 * KIB

/**
 * The CAR's bytes in chunks. Pulls a block only when the consumer asks for more, so the consumer's pace is
 * back-pressure. A chunk may be a block of the caller: do not change the blocks until the stream has ended.
 * @param roots CIDs named in the header; at least one
 */
export async function* carStream(
  roots: readonly string[],
  blocks: AsyncIterable<CarInput> | Iterable<CarInput>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const header = carHeader(roots.map((root) => cidBytes(parseCid(root))))
  let pieces: Uint8Array[] = [varint(header.length), header]
  let gathered = header.length
  for await (const { cid, bytes } of blocks) {
    const id = cidBytes(parseCid(cid))
    pieces.push(varint(id.length + bytes.length), id)
    gathered += id.length
    const isLarge = bytes.length > COPY_AT_MOST_BYTES
    if (!isLarge) {
      pieces.push(bytes)
      gathered += bytes.length
    }
    if (isLarge || gathered >= GATHER_BYTES) {
      yield Buffer.concat(pieces)
      pieces = []
      gathered = 0
    }
    if (isLarge) yield bytes
  }
  if (pieces.length > 0) yield Buffer.concat(pieces)
}

/** DAG-CBOR of `{ roots: [CID …], version: 1 }`. */
export function carHeader(roots: readonly Uint8Array[]): Uint8Array {
  const writer = new CborWriter().map(2).text('roots').array(roots.length)
  for (const root of roots) writer.raw(CID_TAG).bytes(Buffer.concat([CID_PREFIX, root]))
  return writer.text('version').int(1).take()
}

/** DAG-CBOR's tag 42, and the zero byte (identity multibase) before a CID's bytes. */
const CID_TAG = Uint8Array.of(0xd8, 42)
const CID_PREFIX = Uint8Array.of(0)
