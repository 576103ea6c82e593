/**
 * What the store knows, in one LMDB environment: where each block lies, the pins and the name records. Every change is one
 * durable transaction.
 */
import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { open, type Database, type RootDatabase } from 'lmdb'
import { DriveError, MIB, type Digest } from '../../base/index.js'
import type { CidText } from '../contract.js'
import type { Location } from './segments.js'
import { errnoOf } from './store-error.js'

const LOCATION_BYTES = 16
/** About 5 ms of work. */
const PAGE_ROWS = 2000
/** A failed commit on a disk with less room than this is a full disk. */
const SPARE_BYTES = 4 * MIB

export interface IndexChanges {
  readonly blocks?: Iterable<readonly [Digest, Location]>
  readonly forgotten?: Iterable<Digest>
  readonly pinned?: { readonly cid: CidText; readonly name: string }
  readonly unpinned?: CidText
  readonly record?: { readonly name: CidText; readonly bytes: Uint8Array }
}

export class BlockIndex {
  readonly #root: RootDatabase<Buffer, Buffer>
  readonly #blocks: Database<Buffer, Buffer>
  readonly #pins: Database<Buffer, Buffer>
  readonly #names: Database<Buffer, Buffer>

  readonly #directory: string

  /** @param directory that holds the LMDB data file, `index.mdb` */
  constructor(directory: string) {
    this.#directory = directory
    // The reasons for these options are those of the local store, src/storage/kv/lmdb-database.ts.
    const options = {
      path: join(directory, 'index.mdb'),
      noSubdir: true,
      maxDbs: 4,
      encoding: 'binary',
      keyEncoding: 'binary',
      overlappingSync: false,
      eventTurnBatching: false,
      safeRestore: true,
      remapChunks: false,
    } as const
    this.#root = open<Buffer, Buffer>(options)
    const table = (name: string): Database<Buffer, Buffer> =>
      this.#root.openDB<Buffer, Buffer>({ name, encoding: 'binary', keyEncoding: 'binary' })
    this.#blocks = table('blocks')
    this.#pins = table('pins')
    this.#names = table('names')
  }

  has(digest: Digest): boolean {
    return this.#blocks.doesExist(asBuffer(digest))
  }

  locate(digest: Digest): Location | undefined {
    const row = this.#blocks.get(asBuffer(digest))
    return row === undefined ? undefined : decodeLocation(row)
  }

  get blockCount(): number {
    return (this.#blocks.getStats() as { entryCount: number }).entryCount
  }

  /** All rows, a page at a time: between two pages the caller may let other work go on. Rows deleted meanwhile are left out. */
  *pages(): Generator<(readonly [Digest, Location])[], void, undefined> {
    for (let start: Buffer | undefined; ;) {
      const range = { limit: PAGE_ROWS, ...(start === undefined ? {} : { start }) }
      const page = Array.from(
        this.#blocks.getRange(range),
        ({ key, value }) => [Uint8Array.from(key), decodeLocation(value)] as const,
      )
      if (page.length > 0) yield page
      const last = page.at(-1)
      if (last === undefined || page.length < PAGE_ROWS) return
      start = Buffer.concat([last[0], Buffer.alloc(1)])
    }
  }

  pinName(cid: CidText): string | undefined {
    return this.#pins.get(Buffer.from(cid))?.toString()
  }

  pins(): { cid: CidText; name: string }[] {
    return Array.from(this.#pins.getRange(), ({ key, value }) => ({ cid: key.toString(), name: value.toString() }))
  }

  record(name: CidText): Uint8Array | undefined {
    const row = this.#names.get(Buffer.from(name))
    return row === undefined ? undefined : Uint8Array.from(row)
  }

  /** All or nothing, durable when it resolves. Rejects with NO_SPACE when the disk is full. */
  async commit(changes: IndexChanges): Promise<void> {
    const rows = Array.from(changes.blocks ?? [], ([digest, at]) => [asBuffer(digest), encodeLocation(at)] as const)
    const { pinned, unpinned, record } = changes
    const forgotten = Array.from(changes.forgotten ?? [], asBuffer)
    try {
      await this.#root.batch(() => {
        for (const [key, value] of rows) void this.#blocks.put(key, value)
        for (const key of forgotten) void this.#blocks.remove(key)
        if (pinned !== undefined) void this.#pins.put(Buffer.from(pinned.cid), Buffer.from(pinned.name))
        if (unpinned !== undefined) void this.#pins.remove(Buffer.from(unpinned))
        if (record !== undefined) void this.#names.put(Buffer.from(record.name), Buffer.from(record.bytes))
      })
    } catch (error) {
      throw await this.#failure(error)
    }
    // The read transaction of this thread may be older than the commit.
    this.#root.resetReadTxn()
  }

  /** lmdb reports a full disk as EIO, in an inner promise that would end the process if nobody awaited it. */
  async #failure(error: unknown): Promise<unknown> {
    const inner = (error as { commitError?: Promise<never> } | undefined)?.commitError
    const cause = inner === undefined ? error : await inner.catch((reason: unknown) => reason)
    const { bavail, bsize } = await statfs(this.#directory)
    if (bavail * bsize > SPARE_BYTES && errnoOf(cause) !== 'ENOSPC') return cause
    return new DriveError('NO_SPACE', 'The disk of the block store is full.', {
      cause,
      about: { where: this.#directory },
    })
  }

  close(): Promise<void> {
    return this.#root.close()
  }
}

function encodeLocation(location: Location): Buffer {
  const row = Buffer.allocUnsafeSlow(LOCATION_BYTES)
  row.writeUInt32BE(location.segment, 0)
  row.writeUIntBE(location.offset, 4, 6)
  row.writeUIntBE(location.length, 10, 6)
  return row
}

function decodeLocation(row: Buffer): Location {
  return { segment: row.readUInt32BE(0), offset: row.readUIntBE(4, 6), length: row.readUIntBE(10, 6) }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
