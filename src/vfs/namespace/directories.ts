/**
 * Entries of one directory: rows in `dentries`, and in memory the names used so far. A directory that is used much is
 * loaded whole (then absent names are known too); the memory of all of them is bounded and given back oldest first.
 */
import type { PlainName } from '../../base/index.js'
import { decodeDentry, dentryKey, encodeDentry, rowsOf, type DentryRecord } from '../../tree-state/index.js'
import { Directory } from './directory.js'
import type { Inode } from '../inodes/inode.js'
import type { NameHash } from './name-hash.js'
import type { Table } from '../../storage/kv/index.js'

/** Single look-ups before the whole directory is loaded. */
const LOADED_AFTER = 12
const MAX_LOADED_ENTRIES = 60_000
const MAX_ENTRIES = 100_000
/** What an empty directory in memory counts like, in entries. */
const DIRECTORY_WEIGHT = 4

/** Reads and writes entries. A directory that is `unloaded` must be loaded first (remote-directory.ts). */
export class Directories {
  readonly #dentries: Table
  readonly #hash: NameHash
  /** Directories with names in memory, oldest first. */
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
    this.#keep(directory, dentry)
    return dentry
  }

  /** Adds or replaces an entry; the entry gets a new cookie, so it moves to the end of the listing. */
  set(inode: Inode, name: PlainName, ino: number, type: number): void {
    const directory = this.#of(inode)
    const dentry = { name, ino, type, cookie: inode.nextCookie++ }
    if (directory.entries.delete(name)) this.#count--
    this.#keep(directory, dentry)
    this.#dentries.put(dentryKey(inode.ino, this.#hash(name)), encodeDentry(dentry))
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

  /** Every entry in cookie order, as of now. */
  list(inode: Inode): DentryRecord[] {
    const directory = this.#of(inode)
    if (directory.complete || this.#loadAll(inode, directory)) return [...directory.entries.values()]
    return this.#read(inode, Infinity)!
  }

  /** The name that `ino` has in this directory; looks at its entries one by one. */
  nameOf(inode: Inode, ino: number): PlainName | undefined {
    for (const dentry of inode.directory?.entries.values() ?? []) if (dentry.ino === ino) return dentry.name
    if (inode.directory?.complete === true) return undefined
    for (const [, value] of this.#dentries.range(rowsOf(inode.ino))) {
      const dentry = decodeDentry(value)
      if (dentry.ino === ino) return dentry.name
    }
    return undefined
  }

  /** Whether `dentry` still is an entry; true when that is not known without looking. */
  mayStillHave(inode: Inode, dentry: DentryRecord): boolean {
    const { directory } = inode
    if (directory === undefined) return true
    const known = directory.entries.get(dentry.name)
    return known === undefined ? !directory.complete : known.cookie === dentry.cookie
  }

  /** A new directory: nothing in the store, all of it in memory. */
  begin(inode: Inode): void {
    inode.directory = new Directory(true)
    this.#warm.add(inode)
    this.#count += DIRECTORY_WEIGHT
  }

  /** The inode leaves memory. */
  drop(inode: Inode): void {
    if (inode.directory === undefined) return
    this.#count -= inode.directory.entries.size + DIRECTORY_WEIGHT
    inode.directory = undefined
    this.#warm.delete(inode)
  }

  #of(inode: Inode): Directory {
    let directory = inode.directory
    if (directory === undefined) {
      directory = inode.directory = new Directory(false)
      this.#warm.add(inode)
      this.#count += DIRECTORY_WEIGHT
      if (this.#count > MAX_ENTRIES) this.#giveBack(inode)
    }
    return directory
  }

  #keep(directory: Directory, dentry: DentryRecord): void {
    directory.entries.set(dentry.name, dentry)
    this.#count++
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

  /** Forgets all names: they can be read again. */
  rest(): void {
    for (const inode of [...this.#warm]) this.drop(inode)
  }

  /** Forgets the names of half the warm directories, but not of the one in use. */
  #giveBack(inUse: Inode): void {
    for (const inode of this.#warm) {
      if (this.#count <= MAX_ENTRIES / 2) return
      if (inode !== inUse) this.drop(inode)
    }
  }
}
