/**
 * The bound on bytes that are in memory only, and the shared buffers sequential writers fill. A writer that finds no
 * room waits; the wait ends when something was staged, or with the reason why nothing can be.
 */
import { MIB, type Clock, type DriveError } from '../../base/index.js'
import type { Inode } from '../inodes/inode.js'
import { heldBytesOf, type FileContent } from '../content/file-content.js'
import type { RiskGauge } from '../../tree-state/index.js'
import { SLOT_BYTES, type Slot } from './slot.js'

export const DEFAULT_HELD_BYTES = 48 * MIB
export class HeldMemory {
  readonly limitBytes: number
  /** Files with held bytes and since when (Clock.monotonicMs), the longest holding first. */
  readonly files = new Map<Inode, number>()
  bytes = 0
  readonly #clock: Clock
  readonly #risk: RiskGauge
  readonly #maxSlots: number
  /** All that were ever made. */
  slots: Slot[] = []
  readonly #free: Slot[] = []
  #onPressure: () => void = () => undefined
  #waiting: { resolve: () => void; reject: (error: DriveError) => void }[] = []

  constructor(clock: Clock, risk: RiskGauge, limitBytes: number = DEFAULT_HELD_BYTES) {
    this.#clock = clock
    this.#risk = risk
    this.limitBytes = limitBytes
    this.#maxSlots = Math.max(2, Math.floor((limitBytes * 3) / 4 / SLOT_BYTES))
  }

  /** @param listener stages something soon; called when somebody waits for memory or a slot */
  onPressure(listener: () => void): void {
    this.#onPressure = listener
  }

  /** Brings the counts in step with the content; called after every change of it. */
  account(inode: Inode): void {
    const { content } = inode
    const now = content === undefined ? 0 : heldBytesOf(content)
    const before = content === undefined ? 0 : content.accounted
    if (content !== undefined) content.accounted = now
    this.bytes += now - before
    if (now === 0) this.files.delete(inode)
    else if (!this.files.has(inode)) this.files.set(inode, this.#clock.monotonicMs())
    this.#risk.held(this.files.size, this.bytes)
    if (now < before) this.wake()
  }

  /** The content is thrown away with what it held. */
  forget(inode: Inode): void {
    if (inode.content !== undefined) {
      this.bytes -= inode.content.accounted
      inode.content.accounted = 0
    }
    this.files.delete(inode)
    this.#risk.held(this.files.size, this.bytes)
    this.wake()
  }

  /** Lets go of content that can be read from the tables again. */
  close(inode: Inode): void {
    const { content } = inode
    if (content === undefined || inode.handles > 0 || inode.pins > 0 || content.hasHeld) return
    this.dropTail(content)
    this.account(inode)
    inode.content = undefined
  }

  /** Forgets the tail; its slot is free again. The counts are the caller's business. */
  dropTail(content: FileContent): void {
    const { tail } = content
    content.tail = undefined
    if (tail?.slot !== undefined) this.releaseSlot(tail.slot)
  }

  hasRoom(bytes: number): boolean {
    return this.bytes === 0 || this.bytes + bytes <= this.limitBytes
  }

  /** Resolves when memory or a slot was given back; rejects when staging failed meanwhile. */
  whenRoom(): Promise<void> {
    const room = new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }))
    this.#onPressure()
    return room
  }

  takeSlot(): Slot | undefined {
    const slot = this.#free.pop()
    if (slot !== undefined) {
      slot.isTaken = true
      return slot
    }
    if (this.slots.length === this.#maxSlots) return undefined
    const made: Slot = { bytes: new Uint8Array(new SharedArrayBuffer(SLOT_BYTES)), owner: undefined, isTaken: true }
    this.slots.push(made)
    return made
  }

  /** `takeSlot` would find one. */
  get hasSlot(): boolean {
    return this.#free.length > 0 || this.slots.length < this.#maxSlots
  }

  /**
   * Once for each `takeSlot`: given back twice, one buffer would serve two files, and blocks would be sealed while they
   * change.
   */
  releaseSlot(slot: Slot): void {
    if (!slot.isTaken) return
    slot.owner = undefined
    slot.isTaken = false
    this.#free.push(slot)
    this.wake()
  }

  /** Gives unused shared buffers back. */
  rest(): void {
    this.#free.length = 0
    this.slots = this.slots.filter((slot) => slot.isTaken)
  }

  get isWaitedFor(): boolean {
    return this.#waiting.length > 0
  }

  /** Nothing can be staged now: everyone who waits hears why. */
  fail(error: DriveError): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const { reject } of waiting) reject(error)
  }

  /** Lets everyone who waits look again. */
  wake(): void {
    if (this.#waiting.length === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const { resolve } of waiting) resolve()
  }
}
