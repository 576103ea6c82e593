/**
 * What the store knows, in one LMDB environment: where each block lies, the pins and the name records. Every change is one
 * durable transaction.
 */
import { open, type Database, type RootDatabase } from 'lmdb'
import { DriveError, type Digest } from '../../base/index.js'
import type { CidText } from '../contract.js'
import type { Location } from './segments.js'
import { errnoOf } from './store-error.js'

const LOCATION_BYTES = 16

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

  /** @param path of the LMDB data file */
  constructor(path: string) {
    this.#root = open<Buffer, Buffer>({
      path,
      noSubdir: true,
      maxDbs: 4,
      encoding: 'binary',
      keyEncoding: 'binary',
      safeRestore: true,
    } as Parameters<typeof open>[0])
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

  *blocks(): Iterable<readonly [Digest, Location]> {
    for (const { key, value } of this.#blocks.getRange()) yield [Uint8Array.from(key), decodeLocation(value)]
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
      await this.#root.transaction(() => {
        for (const [key, value] of rows) void this.#blocks.put(key, value)
        for (const key of forgotten) void this.#blocks.remove(key)
        if (pinned !== undefined) void this.#pins.put(Buffer.from(pinned.cid), Buffer.from(pinned.name))
        if (unpinned !== undefined) void this.#pins.remove(Buffer.from(unpinned))
        if (record !== undefined) void this.#names.put(Buffer.from(record.name), Buffer.from(record.bytes))
      })
      await this.#root.flushed
    } catch (error) {
      throw commitFailure(error)
    }
  }

  close(): Promise<void> {
    return this.#root.close()
  }
}

/** lmdb reports a full disk as EIO, with a second promise that nobody awaits and that would end the process. */
function commitFailure(error: unknown): unknown {
  const inner = (error as { commitError?: Promise<unknown> } | undefined)?.commitError
  void inner?.catch?.(() => undefined)
  const errno = errnoOf(error)
  if (
    errno === 'EIO' ||
    errno === 'ENOSPC' ||
    (error instanceof Error && /commit failed|MDB_MAP_FULL/i.test(error.message))
  ) {
    return new DriveError('NO_SPACE', 'The index of the block store could not be written; the disk may be full.', {
      cause: error,
    })
  }
  return error
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
