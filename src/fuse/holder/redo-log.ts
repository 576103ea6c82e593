/**
 * A ring in the shared memory: the log of operations that were answered and not yet staged. An entry is the request as
 * the kernel sent it, with the facts that only the daemon that executed it knows: the numbers it assigned, the
 * timestamp, and the sequence of the commit. `trim` removes entries that are durable. replay.ts replays them.
 */
import { MIB } from '../../base/index.js'
import { HEADER, OP, REQUEST_HEADER_BYTES, WRITE_IN } from '../protocol/protocol.js'
import { SLOT_BYTES, type KeptPlace } from '../../vfs/index.js'
import type { CommitProgress } from './commit-progress.js'
import { Words } from '../protocol/words.js'
import { HEADER_BYTES, KEPT_BUFFERS, KEPT_BUFFERS_AT, LOG_BYTES, type SharedState } from './shared-state.js'

/** The result of an operation; 0 for absent values. */
export interface LoggedResult {
  readonly sequence: number
  readonly ino: number
  /** The handle that was opened; for a copy, the number of bytes copied. */
  readonly handle: number
  readonly sec: number
  readonly nsec: number
}

export interface RedoEntry extends LoggedResult {
  /** Valid until the log changes. Does not include the bytes of a WRITE that lie at `place`. */
  readonly request: Buffer
  /** Place in the buffers behind the log. */
  readonly place: KeptPlace | undefined
  /** Position in the log; see `setSequence`. */
  readonly position: number
}

const ENTRY_HEADER_BYTES = 64
/** A WRITE request without its payload. */
const WRITE_HEAD_BYTES = REQUEST_HEADER_BYTES + WRITE_IN.bytes
/** In place of a length: the next entry is at the start of the ring. */
const WRAPS = -1
/** In place of a buffer number: the entry holds the complete request. */
const NOWHERE = -1
/** In place of a position: there is no entry. */
const NONE = -1
/** In place of a commit sequence: the operation is never replayed. */
export const SKIPPED = -1
/** From here on the head returns to the start of the ring if this much is free there. */
const EARLY_BYTES = 16 * MIB
const ROOM_AT_START_BYTES = 12 * MIB
/** Entries examined by one `trim`. */
const ENTRIES_A_TRIM = 4096

export class RedoLog {
  readonly #state: SharedState
  readonly #numbers: Float64Array
  readonly #bytes: Buffer
  readonly #words: Words
  /** Number of entries that refer to each buffer. */
  readonly #references = new Uint32Array(KEPT_BUFFERS)
  /** Bytes that `goBack` left unused, and their end. */
  #gap = { bytes: 0, end: 0 }
  /** Entries before `position` are staged, and durable with commit `sequence`. Oldest first, one for each sequence. */
  readonly #staged: { readonly position: number; readonly sequence: number }[] = []

  constructor(state: SharedState) {
    this.#state = state
    this.#numbers = new Float64Array(state.memory, HEADER_BYTES, LOG_BYTES / 8)
    this.#bytes = Buffer.from(state.memory, HEADER_BYTES, LOG_BYTES)
    this.#words = new Words(state.memory, HEADER_BYTES, LOG_BYTES)
    for (const { place } of this.entries()) if (place !== undefined) this.#references[place.buffer]!++
  }

  /** Whether an entry refers to bytes in this buffer. */
  refersTo(buffer: number): boolean {
    return this.#references[buffer]! > 0
  }

  /** The complete request, as the kernel sent it. */
  wholeRequest({ request, place }: RedoEntry): Buffer {
    if (place === undefined) return request
    const size = request.readUInt32LE(REQUEST_HEADER_BYTES + WRITE_IN.size)
    const start = KEPT_BUFFERS_AT + place.buffer * SLOT_BYTES + place.at
    return Buffer.concat([request, Buffer.from(this.#state.memory, start, size)])
  }

  /** Of the ring, including gaps. */
  get usedBytes(): number {
    return Math.max(0, this.#state.head - this.#state.tail)
  }

  get entriesBytes(): number {
    return this.usedBytes - (this.#state.tail < this.#gap.end ? this.#gap.bytes : 0)
  }

  /** @param besides bytes reserved for others */
  hasRoom(requestBytes: number, besides = 0): boolean {
    return this.#needed(entryBytes(requestBytes)) + besides <= LOG_BYTES - this.usedBytes
  }

  /** The caller has checked the room. Copies the request, except the payload of a WRITE that stays at `kept`. */
  append(whole: Uint8Array, given: LoggedResult, kept?: KeptPlace): void {
    const request = kept === undefined ? whole : whole.subarray(0, WRITE_HEAD_BYTES)
    if (kept !== undefined) this.#references[kept.buffer]!++
    const total = entryBytes(request.length)
    const at = this.#state.head % LOG_BYTES
    let { head } = this.#state
    if (LOG_BYTES - at < total) {
      this.#numbers[at / 8] = WRAPS
      head += LOG_BYTES - at
    }
    const place = head % LOG_BYTES
    const numbers = this.#numbers
    numbers[place / 8] = total
    numbers[place / 8 + 1] = given.sequence
    numbers[place / 8 + 2] = given.ino
    numbers[place / 8 + 3] = given.handle
    numbers[place / 8 + 4] = given.sec
    numbers[place / 8 + 5] = given.nsec
    numbers[place / 8 + 6] = kept === undefined ? NOWHERE : kept.buffer
    numbers[place / 8 + 7] = kept?.at ?? 0
    this.#bytes.set(request, place + ENTRY_HEADER_BYTES)
    this.#state.head = head + total
  }

  /** Removes entries that need no replay: their bytes are staged, and a later commit is durable. */
  trim(progress: CommitProgress): void {
    this.#release(progress.durable)
    const start = this.#staged.at(-1)?.position ?? this.#state.tail
    let position = start
    for (let looks = 0; looks < ENTRIES_A_TRIM; looks++) {
      const at = this.#startOf(position)
      if (at === NONE || this.#isHeld(at % LOG_BYTES, progress)) break
      position = at + this.#bytesAt(at)
    }
    const { sequence, durable } = progress
    // When the drive is idle, no later commit comes, and none is needed.
    const isSettled = !progress.isPending && durable === sequence - 1
    if (position > start) {
      const mark = { position, sequence: isSettled ? durable : sequence }
      if (this.#staged.at(-1)?.sequence === mark.sequence) this.#staged.pop()
      this.#staged.push(mark)
    }
    this.#release(progress.durable)
  }

  /**
   * Under a steady load there are few entries at any moment. The head then stays in the first part of the ring: the
   * rest of the shared memory is never touched and takes no memory.
   * @param besides bytes reserved for others
   */
  goBack(besides: number): void {
    const { head, tail } = this.#state
    const at = head % LOG_BYTES
    const free = tail - (head - at)
    if (at < EARLY_BYTES || free < ROOM_AT_START_BYTES + besides) return
    this.#numbers[at / 8] = WRAPS
    this.#gap = { bytes: LOG_BYTES - at, end: head + LOG_BYTES - at }
    this.#state.head = this.#gap.end
  }

  #release(durable: number): void {
    const { head } = this.#state
    let upTo: number | undefined
    while (this.#staged[0] !== undefined && this.#staged[0].sequence <= durable) upTo = this.#staged.shift()!.position
    if (upTo === undefined) return
    for (
      let at = this.#startOf(this.#state.tail);
      at !== NONE && at < upTo;
      at = this.#startOf(at + this.#bytesAt(at))
    ) {
      const buffer = this.#numbers[(at % LOG_BYTES) / 8 + 6]!
      if (buffer !== NOWHERE) this.#references[buffer]!--
    }
    this.#state.tail = upTo
    // An empty log restarts at the beginning of the ring, so that an idle drive touches few pages.
    if (this.#startOf(upTo) !== NONE) return
    const next = Math.ceil(head / LOG_BYTES) * LOG_BYTES
    this.#state.tail = next
    this.#state.head = next
  }

  /** Oldest first. */
  *entries(): Generator<RedoEntry> {
    for (let entry = this.#at(this.#state.tail); entry !== undefined;) {
      const next = entry.position + entryBytes(entry.request.length)
      yield entry
      entry = this.#at(next)
    }
  }

  setSequence(entry: RedoEntry, sequence: number): void {
    this.#numbers[(entry.position % LOG_BYTES) / 8 + 1] = sequence
  }

  /** The position of the first entry from `position` on; NONE at the head. */
  #startOf(position: number): number {
    const { head } = this.#state
    if (position >= head) return NONE
    const place = position % LOG_BYTES
    if (this.#numbers[place / 8] !== WRAPS) return position
    const next = position + LOG_BYTES - place
    return next >= head ? NONE : next
  }

  /** Size of the entry at this position. */
  #bytesAt(position: number): number {
    return this.#numbers[(position % LOG_BYTES) / 8]!
  }

  /** Whether the entry at this place of the ring is a WRITE with bytes that are only in memory. Makes no object. */
  #isHeld(place: number, progress: CommitProgress): boolean {
    const at = place + ENTRY_HEADER_BYTES
    const words = this.#words
    if (words.u32(at + HEADER.opcode) !== OP.WRITE) return false
    const start = words.u64(at + REQUEST_HEADER_BYTES + WRITE_IN.offset)
    const size = words.u32(at + REQUEST_HEADER_BYTES + WRITE_IN.size)
    return progress.isHeld(words.u64(at + HEADER.nodeId), start, start + size)
  }

  #at(from: number): RedoEntry | undefined {
    const position = this.#startOf(from)
    if (position === NONE) return undefined
    const place = position % LOG_BYTES
    const n = this.#numbers.subarray(place / 8, place / 8 + ENTRY_HEADER_BYTES / 8)
    const start = place + ENTRY_HEADER_BYTES
    const kept = n[6] === NOWHERE ? undefined : { buffer: n[6]!, at: n[7]! }
    const length = kept === undefined ? this.#bytes.readUInt32LE(start + HEADER.length) : WRITE_HEAD_BYTES
    return {
      position,
      sequence: n[1]!,
      ino: n[2]!,
      handle: n[3]!,
      sec: n[4]!,
      nsec: n[5]!,
      request: this.#bytes.subarray(start, start + length),
      place: kept,
    }
  }

  /** Including the unused bytes at the end of the ring. */
  #needed(total: number): number {
    const left = LOG_BYTES - (this.#state.head % LOG_BYTES)
    return left < total ? left + total : total
  }
}

/** Size of the entry of a request of this length; a multiple of 8. */
export function entryBytes(requestBytes: number): number {
  return ENTRY_HEADER_BYTES + ((requestBytes + 7) & ~7)
}
