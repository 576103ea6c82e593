/**
 * The extent that a sequential writer is filling. It starts as a small heap buffer, which is enough for most files. It
 * moves to a shared slot when it grows, and becomes a piece when the slot is full.
 */
import { KIB } from '../../base/index.js'
import type { Inode } from '../inodes/inode.js'
import { Wait } from '../maybe.js'
import type { FileContent, Tail } from '../content/file-content.js'
import { SLOT_BYTES } from './slot.js'
import type { TreeState } from '../inodes/tree-state.js'
import type { HeldMemory } from '../staging/held-memory.js'
import type { SealQueue } from '../staging/seal-queue.js'

/** The parts that writing into a tail uses. */
export interface TailParts {
  readonly state: TreeState
  readonly held: HeldMemory
  readonly sealing: SealQueue
}

const FIRST_BYTES = 4 * KIB
/** Larger tails move to a slot. */
const HEAP_BYTES = 256 * KIB

export function beginTail(content: FileContent, start: number): Tail {
  const tail: Tail = { start, data: EMPTY, length: 0, stagedLength: 0, slot: undefined }
  content.tail = tail
  return tail
}

/** Turns the inline body of a small file into a tail, so that the next body is built in memory. */
export function beginTailFromInline(content: FileContent, inline: Uint8Array): Tail {
  const tail = beginTail(content, 0)
  tail.data = Buffer.allocUnsafe(Math.max(FIRST_BYTES, inline.length))
  tail.data.set(inline)
  tail.length = inline.length
  tail.stagedLength = inline.length
  return tail
}

/**
 * Writes at `offset`, which must not lie before the tail; a gap after its end is filled with zeros.
 * @returns the number of bytes taken
 */
export function writeTail(parts: TailParts, inode: Inode, tail: Tail, offset: number, data: Uint8Array): number | Wait {
  const at = offset - tail.start
  const taken = Math.min(data.length, SLOT_BYTES - at)
  if (taken <= 0) {
    parts.sealing.sealTail(inode)
    return 0
  }
  const needed = at + taken
  if (needed > tail.data.length && !grow(parts, inode, tail, needed)) return new Wait(parts.held.whenRoom())
  if (at > tail.length) tail.data.fill(0, tail.length, at)
  tail.data.set(taken === data.length ? data : data.subarray(0, taken), at)
  tail.stagedLength = Math.min(tail.stagedLength, at, tail.length)
  tail.length = Math.max(tail.length, needed)
  if (tail.start + tail.length > inode.size) parts.state.setSize(inode, tail.start + tail.length)
  if (tail.length === SLOT_BYTES) parts.sealing.sealTail(inode)
  return taken
}

function grow(parts: TailParts, inode: Inode, tail: Tail, needed: number): boolean {
  if (needed <= HEAP_BYTES) {
    const size = Math.min(HEAP_BYTES, Math.max(FIRST_BYTES, needed, tail.data.length * 2))
    const data = Buffer.allocUnsafe(size)
    data.set(tail.data.subarray(0, tail.length))
    tail.data = data
    return true
  }
  const slot = parts.held.takeSlot()
  if (slot === undefined) return false
  slot.bytes.set(tail.data.subarray(0, tail.length))
  tail.data = slot.bytes
  tail.slot = slot
  slot.owner = inode.ino
  return true
}

const EMPTY = new Uint8Array(0)
