/**
 * Maps file ids to inodes and back. An id created here is the inode's number and a mark of this home, encrypted. It
 * looks random to everyone else, is unique, and needs no row to be found. Ids created elsewhere have a row in
 * `foreign`.
 */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto'
import { equalBytes, type FileId, type Random, type SecretKey } from '../../base/index.js'
import { be64, readBe64, writeBe64 } from '../../storage/kv/index.js'
import type { TreeTables } from './tree-state.js'

const MARK_ROW = Buffer.from('fileIds', 'latin1')
const MARK_BYTES = 8
const ID_BYTES = 16
/** Ids enciphered at once: numbers are given in order, and one call for each costs more than all of the rest. */
const AT_ONCE = 64
/** Each id is one AES block. All ids have different plaintexts, so neither mode nor nonce is needed. */
const CIPHER = 'aes-128-ecb'

export class FileIds {
  readonly #tables: Pick<TreeTables, 'foreign'>
  readonly #mark: Buffer
  readonly #encipher: (block: Buffer) => Buffer
  readonly #decipher: (block: Uint8Array) => Buffer
  /** The ids of the inodes from `#first` on. */
  #made = new Uint8Array(0)
  #first = 0
  /** Whether an id from elsewhere was ever recorded, so that `foreign` may have rows. */
  #hasForeign = false

  /** @param nameKey DriveKeys.nameKey, from which the key of the ids is derived */
  constructor(tables: Pick<TreeTables, 'foreign' | 'state'>, nameKey: SecretKey, random: Random) {
    this.#tables = tables
    this.#mark = markOf(tables.state, random)
    const key = createHmac('sha256', nameKey).update('dagdrive file ids').digest().subarray(0, ID_BYTES)
    const encipher = createCipheriv(CIPHER, key, null).setAutoPadding(false)
    const decipher = createDecipheriv(CIPHER, key, null).setAutoPadding(false)
    this.#encipher = (block) => encipher.update(block)
    this.#decipher = (block) => decipher.update(block)
    for (const _ of tables.foreign.keys({ limit: 1 })) this.#hasForeign = true
  }

  make(ino: number): FileId {
    if (ino < this.#first || (ino - this.#first) * ID_BYTES >= this.#made.length) this.#makeFrom(ino)
    const at = (ino - this.#first) * ID_BYTES
    return this.#made.slice(at, at + ID_BYTES)
  }

  #makeFrom(first: number): void {
    const blocks = Buffer.allocUnsafe(AT_ONCE * ID_BYTES)
    for (let i = 0; i < AT_ONCE; i++) {
      writeBe64(blocks, first + i, i * ID_BYTES)
      blocks.set(this.#mark, (i + 1) * ID_BYTES - MARK_BYTES)
    }
    this.#made = new Uint8Array(this.#encipher(blocks))
    this.#first = first
  }

  /** Call it when an inode with an id from elsewhere, or with the id of another inode, was added to the tables. */
  put(id: FileId, ino: number): void {
    if (this.#ownOf(id) === ino) return
    this.#hasForeign = true
    this.#tables.foreign.put(id, be64(ino))
  }

  /** Call it when the inode left the tables, or its id moved to another inode. */
  delete(id: FileId, ino: number): void {
    const row = this.#rowOf(id)
    if (row !== undefined && readBe64(row) === ino) this.#tables.foreign.delete(id)
  }

  /** The inode number encoded in this id. Only the inode's row shows whether it exists and has this id. */
  inoOf(id: FileId): number | undefined {
    if (id.length !== ID_BYTES) return undefined
    const row = this.#rowOf(id)
    return row === undefined ? this.#ownOf(id) : readBe64(row)
  }

  /** Whether it was made by `make`, since the tree was made. */
  isOwn(id: FileId): boolean {
    return id.length === ID_BYTES && this.#ownOf(id) !== undefined
  }

  #rowOf(id: FileId): Uint8Array | undefined {
    return this.#hasForeign ? this.#tables.foreign.get(id) : undefined
  }

  #ownOf(id: FileId): number | undefined {
    const plain = this.#decipher(id)
    if (!equalBytes(plain.subarray(ID_BYTES - MARK_BYTES), this.#mark)) return undefined
    const ino = readBe64(plain)
    return Number.isSafeInteger(ino) ? ino : undefined
  }
}

/** Random, and different whenever the tree is rebuilt, because inode numbers restart then. */
function markOf(state: TreeTables['state'], random: Random): Buffer {
  const known = state.get(MARK_ROW)
  if (known?.length === MARK_BYTES) return Buffer.from(known)
  const mark = Buffer.from(random.bytes(MARK_BYTES))
  state.put(MARK_ROW, mark)
  return mark
}
