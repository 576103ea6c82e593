/**
 * The memory that a daemon shares with its successor; the holder keeps it (native/holder.c). It contains the result of
 * the FUSE handshake, the highest assigned numbers, and the redo log (redo-log.ts). It is written before the kernel
 * gets an answer. The holder does not read it. A change of LAYOUT makes it invalid.
 *
 * Numbers are 64-bit floats: an aligned store of eight bytes is atomic, also if the process is killed.
 */
import { MIB } from '../../base/index.js'
import { SLOT_BYTES } from '../../vfs/index.js'
import { TRIES_NUMBERS } from './replay-tries.js'
import { SUSPECTS_NUMBERS } from './suspects.js'

/** Incremented with every change of the layout. A daemon with another layout starts with a new mount. */
const LAYOUT = 2
export const HEADER_BYTES = 4096
export const LOG_BYTES = 64 * MIB
/** Buffers for streams, behind the log. */
export const KEPT_BUFFERS = 16
export const KEPT_BUFFERS_AT = HEADER_BYTES + LOG_BYTES
export const SHARED_BYTES = KEPT_BUFFERS_AT + KEPT_BUFFERS * SLOT_BYTES

const TEXT_AT = 1024
/** Index of the first number of `suspects`; before TEXT_AT, where older daemons wrote zeros. */
const SUSPECTS_AT = 16
/** The same for `replayTries`. */
const TRIES_AT = 96

/** Indexes of the numbers in the header. */
const AT = { layout: 0, minor: 1, flags: 2, flags2: 3, ino: 4, handle: 5, tail: 6, head: 7, textBytes: 8 } as const

export interface Negotiated {
  /** Minor version of the FUSE protocol; 0 before the handshake. */
  readonly minor: number
  readonly flags: number
  readonly flags2: number
}

export class SharedState {
  readonly memory: ArrayBuffer
  readonly #numbers: Float64Array

  constructor(memory: ArrayBuffer) {
    this.memory = memory
    this.#numbers = new Float64Array(memory, 0, HEADER_BYTES / 8)
  }

  /** Starts a new mount. `about` is stored for the daemon that takes it over. */
  begin(about: string): void {
    const text = Buffer.from(about)
    if (text.length > HEADER_BYTES - TEXT_AT) throw new RangeError('The description of the mount is too long.')
    this.#numbers.fill(0)
    Buffer.from(this.memory, TEXT_AT, text.length).set(text)
    this.#numbers[AT.textBytes] = text.length
    this.#numbers[AT.layout] = LAYOUT
  }

  /**
   * The text given to `begin`. Undefined if the memory is new, has another layout, or the handshake was not finished.
   */
  get about(): string | undefined {
    if (this.#numbers[AT.layout] !== LAYOUT || this.negotiated.minor === 0) return undefined
    return Buffer.from(this.memory, TEXT_AT, this.#numbers[AT.textBytes]).toString()
  }

  get negotiated(): Negotiated {
    const n = this.#numbers
    return { minor: n[AT.minor]!, flags: n[AT.flags]!, flags2: n[AT.flags2]! }
  }

  set negotiated({ minor, flags, flags2 }: Negotiated) {
    this.#numbers[AT.flags] = flags
    this.#numbers[AT.flags2] = flags2
    this.#numbers[AT.minor] = minor
  }

  /** The record of `Suspects`. */
  get suspects(): Float64Array {
    return this.#numbers.subarray(SUSPECTS_AT, SUSPECTS_AT + SUSPECTS_NUMBERS)
  }

  /** The record of `ReplayTries`. */
  get replayTries(): Float64Array {
    return this.#numbers.subarray(TRIES_AT, TRIES_AT + TRIES_NUMBERS)
  }

  get highestIno(): number {
    return this.#numbers[AT.ino]!
  }

  noteIno(ino: number): void {
    if (ino > this.#numbers[AT.ino]!) this.#numbers[AT.ino] = ino
  }

  get highestHandle(): number {
    return this.#numbers[AT.handle]!
  }

  noteHandle(handle: number): void {
    if (handle > this.#numbers[AT.handle]!) this.#numbers[AT.handle] = handle
  }

  /** Bytes of the log before `tail` are trimmed, those before `head` are written. Both only increase. */
  get tail(): number {
    return this.#numbers[AT.tail]!
  }

  set tail(position: number) {
    this.#numbers[AT.tail] = position
  }

  get head(): number {
    return this.#numbers[AT.head]!
  }

  set head(position: number) {
    this.#numbers[AT.head] = position
  }
}
