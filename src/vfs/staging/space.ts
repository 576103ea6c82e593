/**
 * Room for what programs write on the disk that holds local data: refused before the disk is full, so that commits
 * always fit.
 */
import { DriveError, MIB } from '../../base/index.js'
import type { Disk, Space } from '../../platform/index.js'

/** Kept free for commits of what was accepted already, and for the version that gives space back. */
export const RESERVED_BYTES = 16 * MIB
/** For a request up to this size everything is tried: more than what may wait to be written. */
const ALWAYS_TRIED_BYTES = 256 * MIB

/** The evictable part of the cache goes before less than this is free. */
const ROOMY_BYTES = 32 * MIB

/** Whether there is room for what programs write, and how much is missing. */
export class Room {
  /** What the last refused write needed, until there is room for as much. */
  #refusedBytes = 0
  #refusedAt: Space | undefined
  #measured: Space | undefined
  /** On its way to the disk when it was measured, or accepted since. */
  #claimedBytes = 0

  /** @param cachedBytes what the block cache holds @param onRefused told of each refusal that a version may help */
  constructor(
    private readonly disk: Disk,
    private readonly cachedBytes: () => number,
    private readonly onRefused: () => void = () => undefined,
  ) {}

  /** Throws NO_SPACE when `addedBytes` more, on top of what waits to be written already, would fill the disk. */
  require(waitingBytes: number, addedBytes: number): void {
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
   * What eviction and a new version could make room for: the cache may go, and on the same disk the node may hold as
   * much again. The refusal of a larger request says nothing about space.
   */
  #reachableBytes(space: Space): number {
    const reachable = Math.max(ALWAYS_TRIED_BYTES, spareOf(space) + 2 * this.cachedBytes())
    return Math.min(space.totalBytes - RESERVED_BYTES, reachable)
  }

  /** The disk was full when so much was to be written. */
  refused(neededBytes: number): void {
    this.#refusedBytes = Math.max(1, neededBytes)
    this.#refusedAt = this.disk.space()
    this.onRefused()
  }

  /** A write was refused, and there still is no room for as much. */
  get isShort(): boolean {
    const space = this.disk.space()
    // What was measured before the refusal says nothing.
    if (space !== this.#refusedAt && spareOf(space) >= this.#refusedBytes) this.#refusedBytes = 0
    return this.#refusedBytes > 0
  }

  /** How much the cache should give back. */
  get missingBytes(): number {
    const spareBytes = spareOf(this.disk.space())
    return Math.max(0, ROOMY_BYTES - spareBytes, this.isShort ? this.#refusedBytes - spareBytes : 0)
  }
}

const spareOf = ({ availableBytes }: Space): number => availableBytes - RESERVED_BYTES
