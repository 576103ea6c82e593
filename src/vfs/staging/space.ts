/**
 * Checks that the local disk has room for new writes. Writes are refused before the disk is full, so that commits
 * always fit.
 */
import { DriveError, MIB } from '../../base/index.js'
import type { Disk, Space } from '../../platform/index.js'

/** Reserved for commits of accepted writes, and for the version that frees space. */
export const RESERVED_BYTES = 16 * MIB
/**
 * A refused request up to this size always makes the drive try to free space. It is more than the bytes that can be
 * pending.
 */
const ALWAYS_TRIED_BYTES = 256 * MIB

/** The cache is evicted when less than this is free. */
const ROOMY_BYTES = 32 * MIB

/** Whether there is room for writes, and how many bytes are missing. */
export class Room {
  /** The need of the last refused write, until that much is free. */
  #refusedBytes = 0
  #refusedAt: Space | undefined
  #measured: Space | undefined
  /** Bytes pending when the space was measured, and bytes accepted since. */
  #claimedBytes = 0
  /** What is replayed was accepted before, and the reserve is for it. */
  isReplaying = false
  #writeBacks = 0

  /**
   * @param cachedBytes the current size of the block cache
   * @param onRefused called for each refusal that a new version may cure
   */
  constructor(
    private readonly disk: Disk,
    private readonly cachedBytes: () => number,
    private readonly onRefused: () => void = () => undefined,
  ) {}

  /** The kernel sends a dirty page once. During a write-back it is taken into memory, even if the disk is full. */
  get isWritingBack(): boolean {
    return this.#writeBacks > 0
  }

  /** `isWritingBack` is true during `work`. */
  async duringWriteBack<T>(work: () => Promise<T>): Promise<T> {
    this.#writeBacks++
    try {
      return await work()
    } finally {
      this.#writeBacks--
    }
  }

  /** Throws NO_SPACE when `addedBytes` more, in addition to the pending bytes, would fill the disk. */
  require(waitingBytes: number, addedBytes: number): void {
    if (this.isReplaying) return
    if (this.#claim(this.disk.space(), waitingBytes, addedBytes)) return
    const space = this.disk.space(true)
    if (this.#claim(space, waitingBytes, addedBytes)) return
    const neededBytes = (waitingBytes + addedBytes) * 1.25
    if (neededBytes <= this.#reachableBytes(space)) this.refused(neededBytes)
    const { availableBytes } = space
    throw new DriveError('NO_SPACE', 'The disk that holds the drive is full.', { about: { availableBytes } })
  }

  #claim(space: Space, waitingBytes: number, addedBytes: number): boolean {
    if (space !== this.#measured) {
      this.#measured = space
      this.#claimedBytes = waitingBytes
    }
    const hasRoom = spareOf(space) >= (this.#claimedBytes + addedBytes) * 1.25
    if (hasRoom) this.#claimedBytes += addedBytes
    return hasRoom
  }

  /**
   * The space that eviction and a new version could free: the cache, and as much again for a node on the same disk. The
   * refusal of a larger request does not count as a lack of space.
   */
  #reachableBytes(space: Space): number {
    const reachable = Math.max(ALWAYS_TRIED_BYTES, spareOf(space) + 2 * this.cachedBytes())
    return Math.min(space.totalBytes - RESERVED_BYTES, reachable)
  }

  /** Records that the disk was full for a write of this size. */
  refused(neededBytes: number): void {
    this.#refusedBytes = Math.max(1, neededBytes)
    this.#refusedAt = this.disk.space()
    this.onRefused()
  }

  /** A write was refused, and its space is still not free. */
  get isShort(): boolean {
    const space = this.disk.space()
    // A measurement from before the refusal proves nothing.
    if (space !== this.#refusedAt && spareOf(space) >= this.#refusedBytes) this.#refusedBytes = 0
    return this.#refusedBytes > 0
  }

  /** How many bytes the cache should free. */
  get missingBytes(): number {
    const spareBytes = spareOf(this.disk.space())
    return Math.max(0, ROOMY_BYTES - spareBytes, this.isShort ? this.#refusedBytes - spareBytes : 0)
  }
}

const spareOf = ({ availableBytes }: Space): number => availableBytes - RESERVED_BYTES
