/**
 * Keys of the metadata tables: big-endian integers first, so all rows of one inode are adjacent and in numeric order.
 * The codecs of the values are in *-record.ts.
 */
import type { RangeOptions } from '../storage/kv/index.js'
import { be64, readBe64, writeBe64 } from '../storage/kv/index.js'

/** Tables `inodes` and `dirty`. */
export const inodeKey = (ino: number): Buffer => be64(ino)
export const dirtyKey = (ino: number): Buffer => be64(ino)
/** Table `removed`. */
export const removedKey = (counter: number): Buffer => be64(counter)
/** Table `chunks`. @param offset file offset of the extent, in bytes */
export const chunkKey = (ino: number, offset: number): Buffer => pair(ino, offset)
/** Table `pages`. @param index page number: file offset / PAGE_BYTES */
export const pageKey = (ino: number, index: number): Buffer => pair(ino, index)

/** Table `dentries`. @param nameHash HMAC-SHA-256(K_name, name); its first 16 bytes are used */
export function dentryKey(parent: number, nameHash: Uint8Array): Buffer {
  const key = Buffer.allocUnsafe(24)
  putHash(key, nameHash, writeBe64(key, parent, 0))
  return key
}

/** Table `links`. @param nameHash as in `dentryKey` */
export function linkKey(ino: number, parent: number, nameHash: Uint8Array): Buffer {
  const key = Buffer.allocUnsafe(32)
  putHash(key, nameHash, writeBe64(key, parent, writeBe64(key, ino, 0)))
  return key
}

/** The second integer of a `chunkKey` (an offset), `pageKey` (an index) or `linkKey` (a parent). */
export const secondOf = (key: Uint8Array): number => readBe64(key, 8)

/** The range of all rows whose key begins with BE64(ino). */
export function rowsOf(ino: number): { readonly start: Buffer; readonly end: Buffer } {
  return { start: be64(ino), end: be64(ino + 1) }
}

/**
 * Rows of `ino` whose second integer is at least `from` and below `to` (no upper bound when absent), in order. A chunk
 * row that begins before `from` may still overlap it.
 */
export function rowsBetween(ino: number, from: number, to?: number): RangeOptions {
  return { start: pair(ino, from), end: to === undefined ? be64(ino + 1) : pair(ino, to) }
}

function pair(first: number, second: number): Buffer {
  const key = Buffer.allocUnsafe(16)
  writeBe64(key, second, writeBe64(key, first, 0))
  return key
}

function putHash(key: Buffer, nameHash: Uint8Array, offset: number): void {
  if (nameHash.length < 16) throw new RangeError('A name hash must have at least 16 bytes.')
  for (let i = 0; i < 16; i++) key[offset + i] = nameHash[i]!
}
