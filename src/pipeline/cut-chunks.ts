/**
 * FastCDC with a 32-bit keyed gear hash: the same cuts as native/gear.h. docs/format/keys-and-leaves.md has the
 * definition.
 */
import type { SecretKey } from '../base/index.js'
import { hkdf } from '../crypto/thread.js'
import { CHUNK, type ChunkMode } from './contract.js'

const WINDOW = 32
/**
 * A cut is where the hash has these bits clear: 20 of them below the average, 16 above it (normalized chunking, level
 * 2).
 */
const MASK_BELOW = 0xfffff000 | 0
const MASK_ABOVE = 0xffff0000 | 0

/** 256 big-endian 32-bit words, 1,024 bytes; secret, because it shows where a known file is cut. */
export function gearBytes(gearKey: SecretKey): Uint8Array {
  return hkdf(gearKey, 'dagdrive gear v1', 1024)
}

export function gearWords(bytes: Uint8Array): Int32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Int32Array.from({ length: 256 }, (_, index) => view.getInt32(4 * index))
}

/** What is cut, and how. */
export interface CutRange {
  readonly start: number
  readonly end: number
  readonly mode: ChunkMode
  /** There is no more behind `end`. */
  readonly final: boolean
}

/**
 * End offsets of the chunks of data[start … end); unless `final`, trailing bytes without a certain cut belong to no
 * chunk.
 */
export function cutChunks(gear: Int32Array, data: Uint8Array, { start, end, mode, final }: CutRange): number[] {
  const ends: number[] = []
  for (let at = start; at < end;) {
    const length = mode === 'fixed' ? cutFixed(end - at, final) : cutContent(gear, data, at, end - at, final)
    if (length === 0) break
    ends.push((at += length))
  }
  return ends
}

function cutFixed(left: number, final: boolean): number {
  return left >= CHUNK.FIXED ? CHUNK.FIXED : final ? left : 0
}

function cutContent(gear: Int32Array, data: Uint8Array, start: number, left: number, final: boolean): number {
  if (left <= CHUNK.MIN) return final ? left : 0
  const end = start + Math.min(left, CHUNK.MAX)
  const normal = Math.min(end, start + CHUNK.AVERAGE - 1)
  let at = start + CHUNK.MIN - WINDOW
  let hash = 0
  for (; at < start + CHUNK.MIN - 1; at++) hash = ((hash << 1) + gear[data[at]!]!) | 0
  for (; at < normal;) {
    hash = ((hash << 1) + gear[data[at++]!]!) | 0
    if ((hash & MASK_BELOW) === 0) return at - start
  }
  for (; at < end;) {
    hash = ((hash << 1) + gear[data[at++]!]!) | 0
    if ((hash & MASK_ABOVE) === 0) return at - start
  }
  if (left >= CHUNK.MAX) return CHUNK.MAX
  return final ? left : 0
}
