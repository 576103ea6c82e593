/**
 * Counts the live, dead and evictable bytes of each segment. Kept in memory, written with each commit of the block
 * index.
 */
import type { BlockLocation } from '../segments/index.js'
import type { Table } from '../kv/index.js'
import type { BlockStore } from './contract.js'
import { be48, readBe48 } from '../kv/index.js'

interface Account {
  /** Bytes and number of indexed blocks. */
  live: number
  blocks: number
  /** Bytes on disk that no block uses. */
  dead: number
  evictable: number
  /** The end of the last byte that was ever indexed. */
  end: number
  /** Bytes announced in this run, dead ones included; at most the file's length. */
  announced: number
  /** From an earlier run, so no writer has it open. */
  readonly old: boolean
  /** A store on this disk has the file too. Its bytes are counted there: eviction would not free them. */
  shared: boolean
}

export class SegmentLedger {
  readonly #accounts = new Map<number, Account>()
  readonly #changed = new Set<number>()
  readonly #empty = new Set<number>()
  readonly #shared = new Set<number>()
  /** Without shared segments. */
  #used = 0
  #evictable = 0
  #sharedBytes = 0
  #blocks = 0

  constructor(private readonly table: Table) {
    for (const [key, value] of table.range()) {
      const view = new DataView(value.buffer, value.byteOffset, value.length)
      const [live, blocks, dead, evictable, end] = [0, 8, 16, 24, 32].map((at) => view.getFloat64(at, true)) as [
        number,
        number,
        number,
        number,
        number,
      ]
      const segment = readBe48(key)
      this.#accounts.set(segment, { live, blocks, dead, evictable, end, announced: 0, old: true, shared: false })
      if (blocks === 0) this.#empty.add(segment)
      this.#used += live + dead
      this.#evictable += evictable
      this.#blocks += blocks
    }
  }

  get usage(): BlockStore['usage'] {
    const [usedBytes, evictableBytes, sharedBytes] = [this.#used, this.#evictable, this.#sharedBytes]
    return { usedBytes, evictableBytes, sharedBytes, blocks: this.#blocks }
  }

  get segments(): IterableIterator<number> {
    return this.#accounts.keys()
  }

  /** Segments without a block. */
  get empty(): ReadonlySet<number> {
    return this.#empty
  }

  /** Segments that a store on this disk has too, as far as is known. */
  get shared(): ReadonlySet<number> {
    return this.#shared
  }

  setShared(segment: number, isShared: boolean): void {
    const account = this.#accounts.get(segment)
    if (account === undefined || account.shared === isShared) return
    const { live, dead, evictable } = account
    this.#count(account, -live - dead, -evictable)
    account.shared = isShared
    this.#count(account, live + dead, evictable)
    if (isShared) this.#shared.add(segment)
    else this.#shared.delete(segment)
  }

  /** Up to `limit` of `shared`; the next call returns others. */
  leastRecentlyCounted(limit: number): number[] {
    const segments = [...this.#shared].slice(0, limit)
    for (const segment of segments) this.#shared.delete(segment)
    for (const segment of segments) this.#shared.add(segment)
    return segments
  }

  knows(segment: number): boolean {
    return this.#accounts.has(segment)
  }

  /** No block of the segment is an only copy. */
  isAllEvictable(segment: number): boolean {
    const account = this.#accounts.get(segment)
    return account !== undefined && account.evictable === account.live
  }

  /** Known bytes of the segment on disk. */
  bytesOf(segment: number): number {
    const account = this.#accounts.get(segment)
    return account === undefined ? 0 : account.live + account.dead
  }

  deadIn(segment: number): number {
    return this.#accounts.get(segment)?.dead ?? 0
  }

  endOf(segment: number): number {
    return this.#accounts.get(segment)?.end ?? 0
  }

  isOld(segment: number): boolean {
    return this.#accounts.get(segment)?.old ?? false
  }

  /**
   * Announced bytes of a segment of this run. If no bytes are waiting to be announced, the writer's file holds exactly
   * these.
   */
  announcedIn(segment: number): number {
    return this.#accounts.get(segment)?.announced ?? 0
  }

  /** Counts a new block there. @param alive false when its bytes are not needed */
  announce({ segment, offset, length }: BlockLocation, alive: boolean): void {
    const account = this.#account(segment)
    account.announced += length
    account.end = Math.max(account.end, offset + length)
    if (alive) {
      account.live += length
      account.blocks++
      this.#blocks++
      this.#empty.delete(segment)
    } else {
      account.dead += length
      if (account.blocks === 0) this.#empty.add(segment)
    }
    this.#count(account, length, 0)
    this.#changed.add(segment)
  }

  /** A block is no longer indexed; its bytes stay on disk until `freed`. */
  kill({ segment, length }: BlockLocation): void {
    const account = this.#account(segment)
    account.live -= length
    account.dead += length
    account.blocks--
    this.#blocks--
    if (account.blocks === 0) this.#empty.add(segment)
    this.#changed.add(segment)
  }

  /** @param sign 1 when the block became evictable, −1 when it no longer is */
  evictable({ segment, length }: BlockLocation, sign: 1 | -1): void {
    const account = this.#account(segment)
    account.evictable += sign * length
    this.#count(account, 0, sign * length)
    this.#changed.add(segment)
  }

  /** Dead bytes were freed on the disk. */
  freed(segment: number, bytes: number): void {
    const account = this.#account(segment)
    account.dead -= bytes
    this.#count(account, -bytes, 0)
    this.#changed.add(segment)
  }

  /** Sets the size of the segment's file on disk: bytes that are not live are dead. */
  measured(segment: number, allocatedBytes: number): void {
    const account = this.#account(segment)
    this.freed(segment, account.dead - Math.max(0, allocatedBytes - account.live))
  }

  /** The segment's file is gone. */
  forget(segment: number): void {
    const account = this.#accounts.get(segment)
    if (account === undefined) return
    this.#count(account, -account.live - account.dead, -account.evictable)
    this.#blocks -= account.blocks
    this.#accounts.delete(segment)
    this.#shared.delete(segment)
    this.#empty.delete(segment)
    this.#changed.add(segment)
  }

  /** Writes changed accounts to the table, as part of the commit being frozen. */
  write(): void {
    for (const segment of this.#changed) {
      const account = this.#accounts.get(segment)
      if (account === undefined) this.table.delete(be48(segment))
      else {
        const { live, blocks, dead, evictable, end } = account
        const value = Buffer.allocUnsafe(40)
        ;[live, blocks, dead, evictable, end].forEach((number, i) => value.writeDoubleLE(number, i * 8))
        this.table.put(be48(segment), value)
      }
    }
    this.#changed.clear()
  }

  #count({ shared }: Account, bytes: number, evictable: number): void {
    if (shared) this.#sharedBytes += bytes
    else {
      this.#used += bytes
      this.#evictable += evictable
    }
  }

  #account(segment: number): Account {
    let account = this.#accounts.get(segment)
    if (account === undefined) {
      account = { live: 0, blocks: 0, dead: 0, evictable: 0, end: 0, announced: 0, old: false, shared: false }
      this.#accounts.set(segment, account)
    }
    return account
  }
}
