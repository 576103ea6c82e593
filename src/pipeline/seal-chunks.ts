/**
 * Here bytes become blocks: chunks are cut, encrypted and hashed. Seals many chunks at once into reused memory; runs on
 * the pool threads. Two back-ends produce the same bytes.
 */
import { createHash } from 'node:crypto'
import { KIB } from '../base/index.js'
import { nativeSeal, type NativeSeal } from '../platform/thread.js'
import { CHUNK, type ContentKeys, type SealItem } from './contract.js'
import { cutChunks, gearBytes, gearWords } from './cut-chunks.js'
import { encryptPadded, leafKeys } from './leaf-javascript.js'
import { padChunk, sealedSize } from './padding.js'
import type { Rows } from './rows.js'
import { rowCapacity } from './rows.js'

/** The two chunking modes of the contract, and `whole`: the item is one chunk. */
export type ItemMode = SealItem['mode'] | 'whole'
export type BatchItem = Omit<SealItem, 'mode'> & { readonly mode: ItemMode }

export interface BatchSealer {
  readonly kind: 'native' | 'javascript'
  /**
   * Cuts the items and derives keys and dedup ids. Given `out`, seals all chunks into it one after the other.
   * @returns number of rows filled
   */
  sealBatch(data: Uint8Array, items: readonly BatchItem[], rows: Rows, out: Uint8Array | undefined): number
  /** Of the first `count` rows, seals those whose sealed length is not 0. @returns bytes written */
  sealRows(data: Uint8Array, rows: Rows, count: number, out: Uint8Array): number
}

/** An upper bound for the sealed bytes of these items. */
export function sealedCapacity(items: readonly Pick<SealItem, 'length'>[]): number {
  return items.reduce(
    (sum, { length }) => sum + (length <= CHUNK.MIN ? sealedSize(length) : length + paddingOf(length)),
    0,
  )
}

/**
 * Upper bound of the padding: a sixteenth of each chunk, one step per chunk for mark and tag, and a small last chunk.
 */
function paddingOf(length: number): number {
  return Math.floor(length / 8) + 64 * KIB + 8 * KIB * rowCapacity([{ length }])
}

export function createBatchSealer(keys: ContentKeys): BatchSealer {
  const native = nativeSeal()
  return native === undefined ? javascriptSealer(keys) : nativeSealer(native, keys)
}

export const MODE_NUMBERS: Readonly<Record<ItemMode, number>> = { 'content-defined': 0, fixed: 1, whole: 2 }

function nativeSealer(native: NativeSeal, keys: ContentKeys): BatchSealer {
  const gear = gearBytes(keys.gearKey)
  const dedupKey = Uint8Array.from(keys.dedupKey)
  return {
    kind: 'native',
    sealBatch(data, items, rows, out) {
      const words = new Uint32Array(items.length * 4)
      items.forEach((item, index) =>
        words.set([item.offset, item.length, MODE_NUMBERS[item.mode], item.final ? 1 : 0], 4 * index),
      )
      return native.sealBatch(data, words, gear, dedupKey, rows.bytes, out ?? null)
    },
    sealRows: (data, rows, count, out) => native.sealRows(data, rows.bytes, count, out),
  }
}

/** The JavaScript back-end, even where the native one is built (tests compare the two). */
export function javascriptSealer(keys: ContentKeys): BatchSealer {
  const gear = gearWords(gearBytes(keys.gearKey))

  const sealOne = (padded: Buffer, rows: Rows, row: number, out: Uint8Array, at: number): number => {
    const block = out.subarray(at, at + rows.sealedLength(row))
    encryptPadded(padded, rows.key(row), block)
    rows.setDigest(row, createHash('sha256').update(block).digest())
    return at + block.length
  }
  const chunkOf = (data: Uint8Array, rows: Rows, row: number): Buffer =>
    padChunk(data.subarray(rows.offset(row), rows.offset(row) + rows.length(row)))

  return {
    kind: 'javascript',
    sealBatch(data, items, rows, out) {
      let count = 0
      let written = 0
      items.forEach((item, index) => {
        const end = item.offset + item.length
        if (item.offset < 0 || end > data.length) throw new RangeError('items: outside the data')
        const ends =
          item.mode === 'whole'
            ? item.length > 0
              ? [end]
              : []
            : cutChunks(gear, data, { start: item.offset, end, mode: item.mode, final: item.final })
        let at = item.offset
        for (const chunkEnd of ends) {
          const row = count++
          rows.set(row, at, chunkEnd - at, sealedSize(chunkEnd - at), index)
          const padded = chunkOf(data, rows, row)
          const { key, dedupId } = leafKeys(padded, keys.dedupKey)
          rows.setKeys(row, key, dedupId)
          if (out !== undefined) written = sealOne(padded, rows, row, out, written)
          at = chunkEnd
        }
      })
      return count
    },
    sealRows(data, rows, count, out) {
      let written = 0
      for (let row = 0; row < count; row++) {
        if (rows.sealedLength(row) !== 0) written = sealOne(chunkOf(data, rows, row), rows, row, out, written)
      }
      return written
    },
  }
}
