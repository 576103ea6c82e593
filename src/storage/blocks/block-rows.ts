/**
 * Rows of the block index. `blocks`: digest → location, tick since which it may be evicted, dedup id. `dedup`: dedup id
 * → digest. `evictable`: BE48(tick)
 * digest → nothing, in the order of last use. Only this file writes `evictable`.
 */
import { DriveError, type Digest } from '../../base/index.js'
import type { BlockLocation } from '../segments/index.js'
import type { Environment, Table } from '../kv/index.js'
import { be48, readBe48 } from '../kv/index.js'
import type { SegmentLedger } from './segment-ledger.js'

export interface BlockRow {
  readonly location: BlockLocation
  /** 0: only copy. Otherwise the tick of its key in `evictable`. */
  readonly tick: number
  readonly dedupId: Uint8Array | undefined
}

const ROW_BYTES = 20
const NOTHING = Buffer.alloc(0)

export class BlockRows {
  readonly #blocks: Table
  readonly #dedup: Table
  readonly #evictable: Table
  readonly #state: Table
  readonly #ledger: SegmentLedger
  #tick: number

  constructor(environment: Environment, ledger: SegmentLedger) {
    this.#blocks = environment.table('blocks')
    this.#dedup = environment.table('dedup')
    this.#evictable = environment.table('evictable')
    this.#state = environment.table('state')
    this.#ledger = ledger
    const stored = this.#state.get(TICK)
    this.#tick = stored === undefined ? 1 : readBe48(stored)
  }

  get(digest: Digest): BlockRow | undefined {
    const value = this.#blocks.get(digest)
    return value === undefined ? undefined : decode(value)
  }

  findDuplicate(dedupId: Uint8Array): Digest | undefined {
    return this.#dedup.get(dedupId)
  }

  /** Adds a new block as an only copy. */
  add(digest: Digest, location: BlockLocation, dedupId: Uint8Array | undefined): void {
    this.#put(digest, { location, tick: 0, dedupId })
    if (dedupId !== undefined) this.#dedup.put(dedupId, digest)
    this.#ledger.announce(location, true)
  }

  /** Adds a dedup id to a block that has none. */
  name(digest: Digest, row: BlockRow, dedupId: Uint8Array): void {
    this.#put(digest, { ...row, dedupId })
    this.#dedup.put(dedupId, digest)
  }

  remove(digest: Digest, row: BlockRow): void {
    this.protect(digest, row)
    this.#blocks.delete(digest)
    if (row.dedupId !== undefined) this.#dedup.delete(row.dedupId)
    this.#ledger.kill(row.location)
  }

  /** Changes the location of a block. */
  move(digest: Digest, to: BlockLocation): void {
    const row = this.get(digest)
    if (row === undefined) return
    const isEvictable = row.tick !== 0
    if (isEvictable) this.#ledger.evictable(row.location, -1)
    this.#ledger.kill(row.location)
    this.#ledger.announce(to, true)
    if (isEvictable) this.#ledger.evictable(to, 1)
    this.#put(digest, { ...row, location: to })
  }

  /** Makes the block an only copy, so that it cannot be evicted. @returns its new row */
  protect(digest: Digest, row: BlockRow): BlockRow {
    if (row.tick === 0) return row
    this.#evictable.delete(evictableKey(row.tick, digest))
    this.#ledger.evictable(row.location, -1)
    const only = { ...row, tick: 0 }
    this.#put(digest, only)
    return only
  }

  /** Makes the block evictable, after all blocks that are evictable now. */
  offer(digest: Digest, row: BlockRow): void {
    const { location, dedupId } = this.protect(digest, row)
    const tick = this.#tick++
    this.#evictable.put(evictableKey(tick, digest), NOTHING)
    this.#ledger.evictable(location, 1)
    this.#put(digest, { location, tick, dedupId })
  }

  /**
   * Up to `limit` evictable blocks after a tick, least recently used first. Throws CORRUPT when a row disagrees with
   * the table.
   */
  *evictable(limit: number, after = 0): Iterable<{ readonly digest: Digest; readonly row: BlockRow }> {
    const range = { start: be48(after + 1), ...(limit !== Infinity && { limit }) }
    for (const [key] of this.#evictable.range(range)) {
      const digest = key.subarray(6)
      const row = this.get(digest)
      if (row?.tick !== readBe48(key))
        throw new DriveError('CORRUPT', 'The evictable table disagrees with the block index.')
      yield { digest, row }
    }
  }

  /** Every block, or those after `after`; for recovery and checks. */
  *all(after?: Digest): Iterable<readonly [digest: Digest, row: BlockRow]> {
    const start = after === undefined ? {} : { start: Buffer.concat([after, Buffer.of(0)]) }
    for (const [digest, value] of this.#blocks.range(start)) yield [digest, decode(value)]
  }

  /** Up to `limit` only copies after `after`. */
  *onlyCopies(limit: number, after?: Digest): Iterable<Digest> {
    let found = 0
    for (const [digest, row] of this.all(after)) {
      if (row.tick !== 0) continue
      yield Buffer.from(digest)
      if (++found === limit) return
    }
  }

  /** Runs as part of the commit being frozen. */
  write(): void {
    this.#state.put(TICK, be48(this.#tick))
  }

  #put(digest: Digest, { location, tick, dedupId }: BlockRow): void {
    const value = Buffer.allocUnsafe(dedupId === undefined ? ROW_BYTES : ROW_BYTES + 16)
    value.writeUIntBE(location.segment, 0, 6)
    value.writeUInt32BE(location.offset, 6)
    value.writeUInt32BE(location.length, 10)
    value.writeUIntBE(tick, 14, 6)
    if (dedupId !== undefined) value.set(dedupId.subarray(0, 16), ROW_BYTES)
    this.#blocks.put(digest, value)
  }
}

const TICK = Buffer.from('tick')

function decode(value: Uint8Array): BlockRow {
  if (value.length !== ROW_BYTES && value.length !== ROW_BYTES + 16) {
    throw new DriveError('CORRUPT', 'A row of the block index is damaged.')
  }
  const view = new DataView(value.buffer, value.byteOffset, value.length)
  return {
    location: { segment: readBe48(value), offset: view.getUint32(6), length: view.getUint32(10) },
    tick: readBe48(value, 14),
    dedupId: value.length > ROW_BYTES ? value.subarray(ROW_BYTES) : undefined,
  }
}

function evictableKey(tick: number, digest: Digest): Buffer {
  return Buffer.concat([be48(tick), digest])
}
