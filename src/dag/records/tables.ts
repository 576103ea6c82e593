/** The sorted maps of a drive: directories, long chunk lists, the link table and the table of refcounts above one. */
import {
  DriveError,
  isDriveError,
  nameFromBytes,
  nameToBytes,
  type Digest,
  type FileId,
  type PlainName,
} from '../../base/index.js'
import { isDirectory } from '../../model/index.js'
import { CborReader } from '../cbor-reader.js'
import { CborWriter } from '../cbor-writer.js'
import type { EntryRecord, FetchBlock, FileChunk, TreeRef } from '../contract.js'
import { corrupt } from '../corrupt.js'
import { decodeFileChunk, decodeEntry, encodeFileChunk, encodeEntry, requireDisjoint } from './entry-record.js'
import { diffMaps } from '../map/map-diff.js'
import { getFromMap, readMapLeaves, type ReadOptions } from '../map/map-read.js'

/** A row for `buildMap`. */
export type MapRow = readonly [key: Uint8Array, value: Uint8Array]

/** @param name 1 … 255 bytes, no `/`, no NUL, not `.` or `..`; otherwise INVALID */
export function directoryRow(name: PlainName, entry: EntryRecord): MapRow {
  const key = nameToBytes(name)
  if (!isFileName(key))
    throw new DriveError(
      'INVALID',
      'A file name must have 1 to 255 bytes without "/" or NUL, and must not be "." or "..".',
    )
  return [key, encodeEntry(entry)]
}

/** Rows for `buildMap` from entries in any order. */
export function directoryRows(entries: Iterable<readonly [PlainName, EntryRecord]>): MapRow[] {
  return sortRows(Array.from(entries, ([name, entry]) => directoryRow(name, entry)))
}

export interface DirectoryChild {
  readonly name: PlainName
  readonly entry: EntryRecord
}

/** Is given the row of a table that cannot be decoded; the rows after it are read. */
export type OnUnreadable = (key: Uint8Array, value: Uint8Array) => void

interface DirectoryOptions extends RowOptions<PlainName> {
  readonly onUnreadable?: OnUnreadable
  readonly isEnough?: () => boolean
}

/**
 * A directory's entries in byte order of their names.
 * @param options `after` a name: only entries after it. `onUnreadable`: without it an unreadable entry is CORRUPT.
 * `isEnough` is asked after each unreadable entry, because the caller cannot stop between two of them
 */
export async function* readDirectoryTable(
  ref: TreeRef,
  fetch: FetchBlock,
  { onUnreadable, isEnough, ...options }: DirectoryOptions = {},
): AsyncGenerator<DirectoryChild, void, undefined> {
  for await (const items of readMapLeaves(ref, fetch, rowOptions(options, nameToBytes))) {
    for (const [key, value] of items) {
      const child = readable(key, value, onUnreadable, () => {
        if (!isFileName(key)) throw corrupt('a directory holds an impossible name')
        return { name: nameFromBytes(key), entry: decodeEntry(value) }
      })
      if (child !== undefined) yield child
      else if (isEnough?.() === true) return
    }
  }
}

function readable<T>(
  key: Uint8Array,
  value: Uint8Array,
  onUnreadable: OnUnreadable | undefined,
  read: () => T,
): T | undefined {
  if (onUnreadable === undefined) return read()
  try {
    return read()
  } catch (error) {
    if (!isDriveError(error, 'CORRUPT')) throw error
    onUnreadable(key, value)
    return undefined
  }
}

/** A name whose entry differs between two directories. An entry is undefined in the directory that lacks the name. */
export interface DirectoryDifference {
  readonly name: PlainName
  readonly before: EntryRecord | undefined
  readonly after: EntryRecord | undefined
}

/**
 * The differences between two directories, in byte order of the names.
 * @param before undefined: an empty directory
 */
export async function* diffDirectoryTables(
  before: TreeRef | undefined,
  after: TreeRef | undefined,
  fetch: FetchBlock,
  options: Pick<ReadOptions, 'signal'> = {},
): AsyncGenerator<DirectoryDifference, void, undefined> {
  for await (const { key, before: was, after: is } of diffMaps(before, after, fetch, options)) {
    if (!isFileName(key)) throw corrupt('a directory holds an impossible name')
    yield { name: nameFromBytes(key), before: was && decodeEntry(was), after: is && decodeEntry(is) }
  }
}

/** One entry of a directory, or undefined. */
export async function findInDirectory(
  ref: TreeRef,
  name: PlainName,
  fetch: FetchBlock,
  options: Pick<ReadOptions, 'signal'> = {},
): Promise<EntryRecord | undefined> {
  const value = await getFromMap(ref, nameToBytes(name), fetch, options)
  return value === undefined ? undefined : decodeEntry(value)
}

/** A row of a file's long chunk list, keyed BE64(offset). */
export function chunkRow(chunk: FileChunk): MapRow {
  return [offsetKey(chunk.offset), encodeFileChunk(chunk)]
}

function offsetKey(offset: number): Uint8Array {
  const key = Buffer.alloc(8)
  key.writeBigUInt64BE(BigInt(offset))
  return key
}

/** Read options whose `after` is a key of the table's own type. */
export interface RowOptions<Key> extends Omit<ReadOptions, 'after'> {
  readonly after?: Key
}

function rowOptions<Key>({ after, ...rest }: RowOptions<Key>, encode: (key: Key) => Uint8Array): ReadOptions {
  return after === undefined ? rest : { ...rest, after: encode(after) }
}

/** A file's chunks in order of their offsets. @param options `after` an offset: only chunks that begin after it */
export async function* readChunkList(
  ref: TreeRef,
  fetch: FetchBlock,
  options: RowOptions<number> = {},
): AsyncGenerator<FileChunk, void, undefined> {
  let before: FileChunk | undefined
  for await (const items of readMapLeaves(ref, fetch, rowOptions(options, offsetKey))) {
    for (const [key, value] of items) {
      if (key.length !== 8) throw corrupt('a chunk list has an impossible offset')
      const offset = Number(Buffer.from(key).readBigUInt64BE())
      if (!Number.isSafeInteger(offset)) throw corrupt('a chunk list has an impossible offset')
      const chunk = decodeFileChunk(offset, value)
      requireDisjoint(before, chunk)
      before = chunk
      yield chunk
    }
  }
}

/** A row of the link table; `entry.content` is never `shared`. */
export function linkRow(entry: EntryRecord): MapRow {
  if (entry.content.kind === 'shared')
    throw new DriveError('INVALID', 'A file in the link table must hold its own content.')
  if (isDirectory(entry)) throw new DriveError('INVALID', 'A directory cannot be linked.')
  return [entry.fileId, encodeEntry(entry)]
}

/** The differences between two link tables; see `DirectoryDifference`. */
export async function* diffLinks(
  before: TreeRef | undefined,
  after: TreeRef | undefined,
  fetch: FetchBlock,
  options: Pick<ReadOptions, 'signal'> = {},
): AsyncGenerator<Omit<DirectoryDifference, 'name'>, void, undefined> {
  for await (const { key, before: was, after: is } of diffMaps(before, after, fetch, options)) {
    yield { before: was && linkedEntry(key, was), after: is && linkedEntry(key, is) }
  }
}

/** The record of a hard-linked file, or undefined. */
export async function findLink(
  ref: TreeRef,
  fileId: FileId,
  fetch: FetchBlock,
  options: Pick<ReadOptions, 'signal'> = {},
): Promise<EntryRecord | undefined> {
  const value = await getFromMap(ref, fileId, fetch, options)
  return value === undefined ? undefined : linkedEntry(fileId, value)
}

/** The entry of one row of the link table. CORRUPT when it cannot be one. */
export function linkedEntry(fileId: FileId, value: Uint8Array): EntryRecord {
  const entry = decodeEntry(value)
  if (Buffer.compare(entry.fileId, fileId) !== 0) throw corrupt('a link leads to another file')
  if (entry.content.kind === 'shared') throw corrupt('a link leads to another link')
  // The link table names files by id, not by hash. A directory in it could contain itself.
  if (isDirectory(entry)) throw corrupt('a link leads to a directory')
  return entry
}

/** A row of the refcount table: `extraUses` counts the references beyond the first and is at least 1. */
export function duplicateRow(digest: Digest, extraUses: number): MapRow {
  return [digest, new CborWriter().int(extraUses).take()]
}

export async function* readDuplicates(
  ref: TreeRef,
  fetch: FetchBlock,
  options: ReadOptions = {},
): AsyncGenerator<{ readonly digest: Digest; readonly extraUses: number }, void, undefined> {
  for await (const items of readMapLeaves(ref, fetch, options)) {
    for (const [key, value] of items) {
      if (key.length !== 32) throw corrupt('a repeated block has no digest')
      const reader = new CborReader(value)
      const extraUses = reader.int(1)
      reader.end()
      yield { digest: key, extraUses }
    }
  }
}

/** Rows in the order that `buildMap` requires. */
export function sortRows(rows: MapRow[]): MapRow[] {
  return rows.sort((a, b) => Buffer.compare(a[0], b[0]))
}

/** Whether these bytes can be the name of an entry. */
export function isFileName(key: Uint8Array): boolean {
  if (key.length < 1 || key.length > 255 || key.includes(0) || key.includes(0x2f)) return false
  return !(key[0] === 0x2e && (key.length === 1 || (key.length === 2 && key[1] === 0x2e)))
}
