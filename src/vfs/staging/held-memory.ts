/**
 * Bounds the bytes that are only in memory, and owns the shared buffers that sequential writers fill. A writer without
 * room waits until something was staged, or until staging fails; then it gets the error.
 */
import { MIB, type Clock, type DriveError } from '../../base/index.js'
import type { Inode } from '../inodes/inode.js'
import { heldBytesOf, type FileContent } from '../content/file-content.js'
import { PAGE_BYTES, type RiskGauge } from '../../tree-state/index.js'
import type { KeptBuffers } from '../redo-contract.js'
import { SLOT_BYTES, type Slot } from './slot.js'

const DEFAULT_HELD_BYTES = 48 * MIB
export class HeldMemory {
  readonly limitBytes: number
  /** Files with held bytes and since when (Clock.monotonicMs), the oldest first. */
  readonly files = new Map<Inode, number>()
  bytes = 0
  /** The part of them in pages: one commit stages all of them. */
  pageBytes = 0
  readonly #clock: Clock
  readonly #risk: RiskGauge
  readonly #maxSlots: number
  /** All slots allocated so far. */
  slots: Slot[] = []
  #kept: KeptBuffers | undefined
  #keptSlots: readonly Slot[] = []
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

  /** Updates the counts to match the content; called after every change of it. */
  account(inode: Inode): void {
    const { content } = inode
    const now = content === undefined ? 0 : heldBytesOf(content)
    const before = content === undefined ? 0 : content.accounted
    if (content !== undefined) {
      content.accounted = now
      this.#countPages(content, content.heldPages.size * PAGE_BYTES)
    }
    this.bytes += now - before
    if (now === 0) this.files.delete(inode)
    else if (!this.files.has(inode)) this.files.set(inode, this.#clock.monotonicMs())
    this.#risk.held(this.files.size, this.bytes)
    if (now < before) this.wake()
  }

  #countPages(content: FileContent, bytes: number): void {
    this.pageBytes += bytes - content.accountedPages
    content.accountedPages = bytes
  }

  /** Subtracts the content, which is thrown away. */
  forget(inode: Inode): void {
    if (inode.content !== undefined) {
      this.bytes -= inode.content.accounted
      inode.content.accounted = 0
      this.#countPages(inode.content, 0)
    }
    this.files.delete(inode)
    this.#risk.held(this.files.size, this.bytes)
    this.wake()
  }

  /** Drops content that can be read from the tables again. */
  close(inode: Inode): void {
    const { content } = inode
    if (content === undefined || inode.handles > 0 || inode.pins > 0 || content.hasHeld) return
    this.dropTail(content)
    this.account(inode)
    inode.content = undefined
  }

  /** Drops the tail and frees its slot. The caller updates the counts. */
  dropTail(content: FileContent): void {
    const { tail } = content
    content.tail = undefined
    if (tail?.slot !== undefined) this.releaseSlot(tail.slot)
  }

  hasRoom(bytes: number): boolean {
    return this.bytes === 0 || this.bytes + bytes <= this.limitBytes
  }

  /** Resolves when memory or a slot was freed; rejects when staging failed meanwhile. */
  whenRoom(): Promise<void> {
    const room = new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }))
    this.#onPressure()
    if (this.#kept !== undefined && !this.hasSlot) this.#kept.wanted()
    return room
  }

  /** Streams fill these from now on; what they fill now goes when it is given back. */
  useKept(kept: KeptBuffers): void {
    if (this.#kept?.buffers !== kept.buffers) {
      const make = (bytes: Uint8Array, index: number): Slot => ({
        bytes,
        owner: undefined,
        isTaken: false,
        kept: index,
      })
      this.#keptSlots = kept.buffers.map(make)
      this.#free.length = 0
      this.slots = [...this.slots.filter((slot) => slot.isTaken), ...this.#keptSlots]
    }
    this.#kept = kept
  }

  /** Calls `release` for each kept buffer whose memory is not needed now. */
  restKept(release: (buffer: number) => void): void {
    for (const { isTaken, kept } of this.#keptSlots)
      if (!isTaken && kept !== undefined && this.#kept!.isFree(kept)) release(kept)
  }

  #freeKept(kept: KeptBuffers): Slot | undefined {
    let taken = 0
    let found: Slot | undefined
    for (const slot of this.#keptSlots) {
      if (slot.isTaken) taken++
      else if (found === undefined && kept.isFree(slot.kept!)) found = slot
    }
    return taken < this.#maxSlots ? found : undefined
  }

  takeSlot(): Slot | undefined {
    if (this.#kept !== undefined) {
      const free = this.#freeKept(this.#kept)
      if (free !== undefined) free.isTaken = true
      return free
    }
    const slot = this.#free.pop()
    if (slot !== undefined) {
      slot.isTaken = true
      return slot
    }
    if (this.slots.length === this.#maxSlots) return undefined
    const made: Slot = {
      bytes: new Uint8Array(new SharedArrayBuffer(SLOT_BYTES)),
      owner: undefined,
      isTaken: true,
      kept: undefined,
    }
    this.slots.push(made)
    return made
  }

  /** `takeSlot` would succeed. */
  get hasSlot(): boolean {
    if (this.#kept !== undefined) return this.#freeKept(this.#kept) !== undefined
    return this.#free.length > 0 || this.slots.length < this.#maxSlots
  }

  /**
   * Call it once for each `takeSlot`. If a buffer were released twice, it would serve two files, and blocks would be
   * sealed while they change.
   */
  releaseSlot(slot: Slot): void {
    if (!slot.isTaken) return
    slot.owner = undefined
    slot.isTaken = false
    if (this.#kept === undefined) this.#free.push(slot)
    else if (slot.kept === undefined) this.slots = this.slots.filter((other) => other !== slot)
    this.wake()
  }

  /** Frees unused shared buffers. */
  rest(): void {
    this.#free.length = 0
    this.slots = this.slots.filter((slot) => slot.isTaken || slot.kept !== undefined)
  }

  get isWaitedFor(): boolean {
    return this.#waiting.length > 0
  }

  /** Nothing can be staged now: rejects all waiting callers. */
  fail(error: DriveError): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const { reject } of waiting) reject(error)
  }

  /** Makes all waiting callers check again. */
  wake(): void {
    if (this.#waiting.length === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const { resolve } of waiting) resolve()
  }
}
