/**
 * Entries of one directory: rows in `dentries`, and a cache of the names used so far. A directory in frequent use is
 * cached completely, unless it is very large; then absent names are known too. The total memory is bounded, and the
 * oldest directories are evicted first.
 */
import type { PlainName } from '../../base/index.js'
import { decodeDentry, dentryKey, encodeDentry, rowsOf, type DentryRecord } from '../../tree-state/index.js'
import { Directory } from './directory.js'
import type { Inode } from '../inodes/inode.js'
import type { NameHash } from './name-hash.js'
import { readBe48, type Table } from '../../storage/kv/index.js'

/** Single look-ups before the whole directory is loaded. */
const LOADED_AFTER = 12
const MAX_LOADED_ENTRIES = 60_000
const MAX_ENTRIES = 100_000
/** The memory of an empty cached directory, counted in entries. */
const DIRECTORY_WEIGHT = 4
/**
 * The first cookie of listings in hash order: each cookie is this plus the first 48 bits of a hash. Cookies of entries
 * are creation counters and stay far below.
 */
const BY_HASH = 2 ** 51
const HASH_AT = 8

/** Reads and writes entries. A directory that is `unloaded` must be loaded first (remote-directory.ts). */
export class Directories {
  readonly #dentries: Table
  readonly #hash: NameHash
  /** Directories with cached names, oldest first. */
  readonly #warm = new Set<Inode>()
  #count = 0

  constructor(dentries: Table, hash: NameHash) {
    this.#dentries = dentries
    this.#hash = hash
  }

  hashOf(name: PlainName): Uint8Array {
    return this.#hash(name)
  }

  find(inode: Inode, name: PlainName): DentryRecord | undefined {
    const directory = this.#of(inode)
    const known = directory.entries.get(name)
    if (known !== undefined || directory.complete) return known
    if (++directory.lookups > LOADED_AFTER && this.#loadAll(inode, directory)) return directory.entries.get(name)
    const row = this.#dentries.get(dentryKey(inode.ino, this.#hash(name)))
    if (row === undefined) return undefined
    const dentry = decodeDentry(row)
    this.#keep(inode, directory, dentry)
    return dentry
  }

  /** Adds or replaces an entry; the entry gets a new cookie, so it moves to the end of the listing. */
  set(inode: Inode, name: PlainName, ino: number, type: number): void {
    const directory = this.#of(inode)
    const dentry = { name, ino, type, cookie: inode.nextCookie++ }
    if (directory.entries.delete(name)) this.#count--
    this.#dentries.put(dentryKey(inode.ino, this.#hash(name)), encodeDentry(dentry))
    this.#keep(inode, directory, dentry)
  }

  delete(inode: Inode, name: PlainName): void {
    if (this.#of(inode).entries.delete(name)) this.#count--
    this.#dentries.delete(dentryKey(inode.ino, this.#hash(name)))
  }

  isEmpty(inode: Inode): boolean {
    const directory = this.#of(inode)
    if (directory.entries.size > 0) return false
    if (directory.complete) return true
    for (const _ of this.#dentries.range({ ...rowsOf(inode.ino), limit: 1 })) return false
    return true
  }

  /** Every entry in cookie order, as of now; undefined when there are too many for memory. */
  list(inode: Inode): DentryRecord[] | undefined {
    const directory = this.#of(inode)
    return directory.complete || this.#loadAll(inode, directory) ? [...directory.entries.values()] : undefined
  }

  /** Every entry in cookie order, without a limit. */
  listAll(inode: Inode): DentryRecord[] {
    return this.list(inode) ?? this.#read(inode, Infinity)!
  }

  /** Whether a cookie was given by `listByHash`. */
  isByHash(cookie: number): boolean {
    return cookie >= BY_HASH
  }

  /**
   * Current entries in the order of their name hashes, read from the table and not cached. An entry that stays in the
   * directory comes exactly once, whatever else is created or removed between two pages.
   * @param cookie of the last entry of the previous page; 0: from the start
   */
  *listByHash(inode: Inode, cookie: number): Generator<DentryRecord, undefined> {
    const from = Math.max(0, cookie - BY_HASH)
    if (from >= 2 ** 48) return
    const hash = Buffer.alloc(16)
    hash.writeUIntBE(from, 0, 6)
    let last: { readonly dentry: DentryRecord; readonly place: number } | undefined
    for (const [key, value] of this.#dentries.range({ ...rowsOf(inode.ino), start: dentryKey(inode.ino, hash) })) {
      const place = readBe48(key, HASH_AT)
      // The cookie of an entry points behind it. If the next entry has the same 48 bits, it points to the entry itself,
      // so a page that ends between the two skips neither.
      if (last !== undefined) yield { ...last.dentry, cookie: BY_HASH + last.place + (last.place === place ? 0 : 1) }
      last = { dentry: decodeDentry(value), place }
    }
    if (last !== undefined) yield { ...last.dentry, cookie: BY_HASH + last.place + 1 }
  }

  /** The name of `ino` in this directory; scans its entries. */
  nameOf(inode: Inode, ino: number): PlainName | undefined {
    for (const dentry of inode.directory?.entries.values() ?? []) if (dentry.ino === ino) return dentry.name
    if (inode.directory?.complete === true) return undefined
    for (const [, value] of this.#dentries.range(rowsOf(inode.ino))) {
      const dentry = decodeDentry(value)
      if (dentry.ino === ino) return dentry.name
    }
    return undefined
  }

  /** Whether `dentry` is still an entry; also true when the cache cannot tell. */
  mayStillHave(inode: Inode, dentry: DentryRecord): boolean {
    const { directory } = inode
    if (directory === undefined) return true
    const known = directory.entries.get(dentry.name)
    return known === undefined ? !directory.complete : known.cookie === dentry.cookie
  }

  /** A new directory: nothing in the store, completely cached. */
  begin(inode: Inode): void {
    this.#add(inode, true)
  }

  /** The inode is dropped from memory. */
  drop(inode: Inode): void {
    if (inode.directory === undefined) return
    this.#count -= inode.directory.entries.size + DIRECTORY_WEIGHT
    inode.directory = undefined
    this.#warm.delete(inode)
  }

  #of(inode: Inode): Directory {
    return inode.directory ?? this.#add(inode, false)
  }

  #add(inode: Inode, complete: boolean): Directory {
    const directory = (inode.directory = new Directory(complete))
    this.#warm.add(inode)
    this.#count += DIRECTORY_WEIGHT
    if (this.#count > MAX_ENTRIES) this.#giveBack(inode)
    return directory
  }

  #keep(inode: Inode, directory: Directory, dentry: DentryRecord): void {
    directory.entries.set(dentry.name, dentry)
    this.#count++
    if (this.#count > MAX_ENTRIES) this.#giveBack(inode)
    if (directory.entries.size <= MAX_LOADED_ENTRIES) return
    this.#count -= directory.entries.size
    directory.entries.clear()
    directory.complete = false
    directory.tooLarge = true
  }

  #loadAll(inode: Inode, directory: Directory): boolean {
    if (directory.tooLarge) return false
    const entries = this.#read(inode, MAX_LOADED_ENTRIES)
    if (entries === undefined) {
      directory.tooLarge = true
      return false
    }
    this.#count += entries.length - directory.entries.size
    directory.entries.clear()
    for (const dentry of entries) directory.entries.set(dentry.name, dentry)
    directory.complete = true
    if (this.#count > MAX_ENTRIES) this.#giveBack(inode)
    return true
  }

  #read(inode: Inode, limit: number): DentryRecord[] | undefined {
    const found: DentryRecord[] = []
    for (const [, value] of this.#dentries.range(rowsOf(inode.ino))) {
      if (found.length === limit) return undefined
      found.push(decodeDentry(value))
    }
    return found.sort((a, b) => a.cookie - b.cookie)
  }

  /** Drops all cached names; they can be read again. */
  rest(): void {
    for (const inode of [...this.#warm]) this.drop(inode)
  }

  /** Drops the names of half the cached directories, except the one in use. */
  #giveBack(inUse: Inode): void {
    for (const inode of this.#warm) {
      if (this.#count <= MAX_ENTRIES / 2) return
      if (inode !== inUse) this.drop(inode)
    }
  }
}
