/**
 * What a tree offers to a mount that outlives its daemon: replaying operations after a kill, the numbers given to the
 * kernel, and buffers of streams that the next daemon finds.
 */
import type { Timestamp } from '../model/index.js'

/** The highest numbers given to the kernel; 0 for none. */
export interface Highest {
  readonly ino: number
  readonly handle: number
}

/** Bytes of a write that lie in a buffer of `KeptBuffers`. */
export interface KeptPlace {
  readonly buffer: number
  readonly at: number
}

/** Buffers of SLOT_BYTES that outlive this process, for streams to fill. */
export interface KeptBuffers {
  readonly buffers: readonly Uint8Array[]
  /** Nothing refers to what was in it. */
  isFree(buffer: number): boolean
  /** A writer waits for one: `Redo.buffersFreed` or `buffersFailed` is to be called soon. */
  wanted(): void
}

/** Replays operations after a kill, with their original numbers and times. */
export interface Redo {
  /** The commit that current operations will belong to. */
  readonly sequence: number
  /** The newest commit on disk. It contains all operations up to it, except bytes that were held. */
  readonly durable: number
  /** Something is pending for the next commit. */
  readonly isPending: boolean
  /** Set while a change is made that the log gets. All others, as those of socket clients, are not replayed. */
  isLogged: boolean
  /** A change of a name that no log has is not on disk. What programs do after it may depend on it. */
  readonly hasUnlogged: boolean
  /** Resolves when such changes are on disk. Until then, those who make them wait in `whenQuiet`. */
  commitUnlogged(): Promise<void>
  /** Present while a program waits for `commitUnlogged`. */
  whenQuiet(): Promise<void> | undefined
  /** The last timestamp used. */
  readonly stamp: Timestamp
  /** From now on, every number is durable or in the mount's log before the kernel sees it. */
  keepNumbers(): void
  /** Whether bytes of this range are only in memory. Never false when they are. */
  isHeld(ino: number, start: number, end: number): boolean
  /** @param listener is called for each inode that neither a name nor the kernel references, before it is removed */
  onGone(listener: (ino: number) => void): void
  /** The kernel references none of these inodes: those without a name are removed. */
  forgetAll(inos: Iterable<number>): void
  /** Streams fill these from now on. Given again, the buffers are the same ones. */
  useBuffers(kept: KeptBuffers): void
  /** Where bytes that were just written at `start` lie, if all of them are in one kept buffer. */
  placeOf(ino: number, start: number, data: Uint8Array): KeptPlace | undefined
  /** What lies in a kept buffer of this file is not changed any more, but written elsewhere. */
  settleBuffer(ino: number): void
  /** Calls `release` for each kept buffer that nothing fills and nothing refers to. */
  restBuffers(release: (buffer: number) => void): void
  buffersFreed(): void
  buffersFailed(error: unknown): void
  /** Makes all operations so far durable, except held bytes. */
  commit(): Promise<void>
  /** From now on, operations get this time, and these numbers unless they are 0; no disk is too full for them. */
  begin(given: Highest & Timestamp): void
  /** Numbers and times are assigned normally again; none of these numbers is reused. Closes adopted handles. */
  end(highest: Highest): void
}
