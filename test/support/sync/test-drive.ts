/**
 * A double of the drive thread, for tests of sync: a tree in the tables of `meta`, sealed blocks in a map, and the
 * port. It implements the contract without optimization.
 */
import { createHash } from 'node:crypto'
import {
  hex,
  nameFromText,
  nameToText,
  systemClock,
  type Clock,
  type Digest,
  type Random,
} from '../../../src/base/index.js'
import type { DriveKeys } from '../../../src/crypto/index.js'
import type { Core } from '../../../src/pipeline/index.js'
import { be48, be64, readBe48, readBe64, type Table } from '../../../src/storage/kv/index.js'
import {
  chunkKey,
  decodeChunk,
  decodeDentry,
  decodeInode,
  dentryKey,
  encodeChunk,
  encodeDentry,
  encodeInode,
  encodeRemoved,
  inodeKey,
  linkKey,
  PAGE_BYTES,
  pageKey,
  removedKey,
  rowsOf,
  secondOf,
  TABLES,
  type ChunkRecord,
  type DentryRecord,
  type DriveCounts,
  type DrivePort,
  type InodeRecord,
  type NodeRef,
  type RemoteChild,
  type PublishedCommit,
  type RemoteSource,
} from '../../../src/tree-state/index.js'
import type { EntryRecord } from '../../../src/dag/index.js'
import { inodeOf } from '../../../src/commits/index.js'
import { isDirectory, ROOT_INO } from '../../../src/model/index.js'
import type { LocalBlockReader } from '../../../src/sync/fetch/local-blocks.js'
import type { MemoryEnvironment } from './memory-environment.js'

export type HowToWrite = 'chunks' | 'pages' | 'inline'

interface StoredBlock {
  readonly bytes: Uint8Array
  isEvictable: boolean
}

export class TestDrive implements DrivePort {
  readonly blocks = new Map<string, StoredBlock>()
  remote: RemoteSource | undefined
  lastChangeMs = 0
  clock: Clock = systemClock
  /** See `Sync.changed`. */
  onChange: () => void = () => undefined
  #isShortOfSpace = false
  /** Calls of discardUnpublished. */
  discards = 0
  #isFrozen = false

  constructor(
    readonly meta: MemoryEnvironment,
    private readonly core: Core,
    private readonly keys: DriveKeys,
    private readonly random: Random,
  ) {}

  get isShortOfSpace(): boolean {
    return this.#isShortOfSpace
  }

  set isShortOfSpace(isShort: boolean) {
    this.#isShortOfSpace = isShort
    if (isShort) this.onChange()
  }

  /** Creates an empty tree, or starts from the root of an opened drive. */
  async create(root?: EntryRecord): Promise<void> {
    this.#state.put(Buffer.from('sequence'), be48(1))
    this.#state.put(Buffer.from('published'), be48(0))
    this.#state.put(Buffer.from('nextIno'), be64(2))
    this.#state.put(Buffer.from('nextRemoved'), be64(0))
    const record = root === undefined ? this.#newInode(0o040755) : inodeOf(root)
    this.#putInode({ ...record, ino: ROOT_INO, parent: 0, nextCookie: 1 })
    if (root === undefined) this.#touch(ROOT_INO)
    await this.#commit()
  }

  /** Deletes the tree; no block is an only copy afterwards. The first half of a fast-forward. */
  async wipe(): Promise<void> {
    this.meta.wipe()
    for (const block of this.blocks.values()) block.isEvictable = true
  }

  // ------------------------------------------------------------ operations

  async makeDirectory(path: string): Promise<void> {
    await this.#add(path, { ...this.#newInode(0o040755), nlink: 2 })
  }

  async makeSymlink(path: string, target: string): Promise<void> {
    await this.#add(path, { ...this.#newInode(0o120777), inline: Buffer.from(target), size: target.length })
  }

  async write(path: string, bytes: Uint8Array, how: HowToWrite = 'chunks', fixedChunks = false): Promise<void> {
    let ino = await this.find(path)
    if (ino === undefined) ino = await this.#add(path, { ...this.#newInode(0o100644), fixedChunks })
    else await this.#clear(ino)
    const inline = how === 'inline' ? bytes : undefined
    this.#putInode({ ...this.inode(ino), size: bytes.length, inline })
    if (how === 'chunks') this.#writeChunks(ino, bytes)
    if (how === 'pages') this.#writePages(ino, 0, bytes)
    this.#touch(ino)
  }

  /** Overwrites existing bytes at a multiple of the page size. */
  async overwrite(path: string, offset: number, bytes: Uint8Array): Promise<void> {
    const ino = (await this.find(path))!
    await this.#loadChunks(ino)
    const record = this.inode(ino)
    this.#putInode({ ...record, size: Math.max(record.size, offset + bytes.length) })
    this.#writePages(ino, offset, bytes)
    this.#touch(ino)
  }

  async chmod(path: string, mode: number): Promise<void> {
    const ino = (await this.find(path))!
    const record = this.inode(ino)
    this.#putInode({ ...record, mode: (record.mode & 0o170000) | mode })
    this.#touch(ino)
  }

  async link(from: string, to: string): Promise<void> {
    const ino = (await this.find(from))!
    const record = this.inode(ino)
    const before = { parent: await this.#parentOf(from), name: nameFromText(from.split('/').at(-1)!) }
    this.#putInode({ ...record, nlink: record.nlink + 1 })
    this.#links.put(linkKey(ino, before.parent, this.#hash(before.name)), Buffer.of(1))
    this.#ids.put(record.fileId, be64(ino))
    await this.#addEntry(to, ino)
    const name = nameFromText(to.split('/').at(-1)!)
    this.#links.put(linkKey(ino, await this.#parentOf(to), this.#hash(name)), Buffer.of(1))
    this.#touch(ino)
  }

  async remove(path: string): Promise<void> {
    const ino = (await this.find(path))!
    const parent = await this.#parentOf(path)
    const name = nameFromText(path.split('/').at(-1)!)
    this.#dentries.delete(dentryKey(parent, this.#hash(name)))
    this.#touch(parent)
    const record = this.inode(ino)
    this.#links.delete(linkKey(ino, parent, this.#hash(name)))
    if (!isDirectory(record) && record.nlink > 1) {
      const rest = [...this.#links.range(rowsOf(ino))].map(([key]) => secondOf(key))
      this.#putInode({ ...record, nlink: record.nlink - 1, parent: rest[0] ?? record.parent })
      this.#touch(ino)
      if (record.nlink > 2) return
      for (const [key] of [...this.#links.range(rowsOf(ino))]) this.#links.delete(key)
      this.#ids.delete(record.fileId)
      return
    }
    if (record.ref !== undefined) this.#putRemoved({ kind: record.unloaded ? 'node' : 'map', ...record.ref })
    this.#dropRows(ino)
    this.#ids.delete(record.fileId)
    this.#inodes.delete(inodeKey(ino))
    this.#dirty.delete(be64(ino))
  }

  async rename(from: string, to: string): Promise<void> {
    const ino = (await this.find(from))!
    if ((await this.find(to)) !== undefined) await this.remove(to)
    const parent = await this.#parentOf(from)
    this.#dentries.delete(dentryKey(parent, this.#hash(nameFromText(from.split('/').at(-1)!))))
    this.#touch(parent)
    await this.#addEntry(to, ino)
    this.#touch(ino)
  }

  // ------------------------------------------------------------ reading

  inode(ino: number): InodeRecord {
    return decodeInode(ino, this.#inodes.get(inodeKey(ino))!)
  }

  async find(path: string): Promise<number | undefined> {
    let at = ROOT_INO
    for (const part of path.split('/').filter((text) => text !== '')) {
      await this.#loadDirectory(at)
      const row = this.#dentries.get(dentryKey(at, this.#hash(nameFromText(part))))
      if (row === undefined) return undefined
      at = decodeDentry(row).ino
    }
    return at
  }

  async entries(ino: number): Promise<DentryRecord[]> {
    await this.#loadDirectory(ino)
    return Array.from(this.#dentries.range(rowsOf(ino)), ([, value]) => decodeDentry(value))
  }

  async read(ino: number): Promise<Uint8Array> {
    await this.#loadChunks(ino)
    const { size, inline } = this.inode(ino)
    const out = Buffer.alloc(size)
    out.set((inline ?? new Uint8Array(0)).subarray(0, size))
    for (const row of this.#rows(ino)) {
      const sealed = this.blocks.get(hex(row.digest))?.bytes ?? (await this.remote!.fetchBlocks([row.digest]))[0]!
      const plain = this.core.openLeaf(sealed, row.key).subarray(row.skip, row.skip + row.length)
      if (row.offset < size) out.set(plain.subarray(0, size - row.offset), row.offset)
    }
    for (const [key, page] of this.#pages.range(rowsOf(ino))) {
      const offset = secondOf(key) * PAGE_BYTES
      if (offset < size) out.set(page.subarray(0, size - offset), offset)
    }
    return out
  }

  /** Every path with its visible attributes and content. */
  async dump(): Promise<Record<string, string>> {
    const out: Record<string, string> = {}
    const walk = async (ino: number, path: string): Promise<void> => {
      const record = this.inode(ino)
      const body = isDirectory(record)
        ? ''
        : createHash('sha256')
            .update(await this.read(ino))
            .digest('hex')
            .slice(0, 16)
      const links = isDirectory(record) ? '' : record.nlink
      out[path] =
        `${record.mode.toString(8)} ${links} ${record.size} ${record.mtimeSec}.${record.mtimeNsec} ${hex(record.fileId)} ${body}`
      if (!isDirectory(record)) return
      for (const entry of await this.entries(ino)) await walk(entry.ino, `${path}/${nameToText(entry.name)}`)
    }
    await walk(ROOT_INO, '')
    return out
  }

  // ------------------------------------------------------------ the port

  async freeze(): Promise<{ sequence: number }> {
    const sequence = this.#sequence
    await this.#commit()
    this.#isFrozen = true
    return { sequence }
  }

  /** Simulates the death of the process: uncommitted rows are lost. */
  crash(): void {
    this.meta.crash()
    this.#isFrozen = false
  }

  async resume(): Promise<void> {
    this.#isFrozen = false
  }

  async published(commit: PublishedCommit): Promise<void> {
    const { sequence, removedBefore, refs, merged, confirmed, discarded } = commit
    for (const digest of confirmed) {
      const block = this.blocks.get(hex(digest))
      if (block !== undefined) block.isEvictable = true
    }
    if (sequence <= this.#published) return
    const used = this.#digestsBornAfter(sequence)
    for (const digest of discarded) if (!used.has(hex(digest))) this.blocks.delete(hex(digest))
    for (const { ino, ref } of refs) {
      if (this.#inodes.get(inodeKey(ino))) this.#putInode({ ...this.inode(ino), ref })
      else if (ref !== undefined) this.#putRemoved({ kind: 'map', ...ref })
    }
    for (const { ino, rows } of merged) this.#applyMerge(ino, rows, sequence)
    for (const [key, value] of [...this.#dirty.range()]) if (readBe48(value) <= sequence) this.#dirty.delete(key)
    for (const [key] of [...this.#removed.range({ end: be64(removedBefore) })]) this.#removed.delete(key)
    this.#state.put(Buffer.from('published'), be48(sequence))
    await this.#commit()
  }

  async adopt(blocks: readonly { digest: Digest; bytes: Uint8Array }[]): Promise<void> {
    for (const { digest, bytes } of blocks) this.blocks.set(hex(digest), { bytes, isEvictable: false })
  }

  async giveBack({ unused, published }: Parameters<DrivePort['giveBack']>[0]): Promise<void> {
    const used = this.#digestsBornAfter(-1)
    for (const digest of unused) if (!used.has(hex(digest))) this.blocks.delete(hex(digest))
    for (const digest of published) {
      const block = this.blocks.get(hex(digest))
      if (block !== undefined) block.isEvictable = true
    }
  }

  async keepBlocks(digests: readonly Digest[]): Promise<void> {
    for (const digest of digests) {
      const block = this.blocks.get(hex(digest))
      if (block !== undefined) block.isEvictable = false
    }
  }

  async restoreBlocks(blocks: readonly { digest: Digest; bytes: Uint8Array }[]): Promise<void> {
    for (const { digest, bytes } of blocks) {
      const known = this.blocks.get(hex(digest))
      if (known !== undefined) this.blocks.set(hex(digest), { ...known, bytes })
    }
  }

  async replaceBlocks(rows: Parameters<DrivePort['replaceBlocks']>[0]): Promise<boolean[]> {
    const done = rows.map(({ ino, offset, from, to, key }) => {
      const row = this.#rows(ino).find((one) => one.offset === offset && hex(one.digest) === hex(from))
      if (row === undefined) return false
      this.#dropRow(ino, row)
      const next = { ...row, digest: to, key, born: this.#sequence }
      this.#chunks.put(chunkKey(ino, offset), encodeChunk(next))
      this.#touch(ino)
      return true
    })
    await this.#commit()
    return done
  }

  async markChanged(inos: readonly number[]): Promise<void> {
    for (const ino of inos) this.#touch(ino)
    await this.#commit()
  }

  async nextEvicted(after: number, limit: number): Promise<{ digests: Digest[]; after: number }> {
    const evictable = [...this.blocks].flatMap(([name, { isEvictable }]) =>
      isEvictable ? [Buffer.from(name, 'hex')] : [],
    )
    const digests = evictable.slice(after, after + limit)
    return { digests, after: after + digests.length }
  }

  async readBlocks(digests: readonly Digest[]): Promise<(Uint8Array | undefined)[]> {
    return digests.map((digest) => this.blocks.get(hex(digest))?.bytes)
  }

  /** Its blocks are not in files. */
  async placesOf(digests: readonly Digest[]): Promise<undefined[]> {
    return digests.map(() => undefined)
  }

  readonly localBlocks: LocalBlockReader = {
    places: async () => new Map(),
    read: async (digests) => digests.map((digest) => this.blocks.get(hex(digest))?.bytes),
    rest: () => undefined,
  }

  async flush(): Promise<void> {
    await this.#commit()
  }

  async discardUnpublished(): Promise<void> {
    this.discards++
  }

  async counts(): Promise<DriveCounts> {
    const none = { files: 0, bytes: 0 }
    const dirtyInodes = [...this.#dirty.range()].length
    const { lastChangeMs, isShortOfSpace } = this
    return {
      held: none,
      staged: none,
      total: none,
      cacheUsedBytes: 0,
      cacheEvictableBytes: 0,
      lastError: undefined,
      lastChangeMs,
      dirtyInodes,
      isShortOfSpace,
    }
  }

  async evictTo(): Promise<number> {
    for (const [name, block] of this.blocks) if (block.isEvictable) this.blocks.delete(name)
    return 0
  }

  // ------------------------------------------------------------ rows

  get #inodes(): Table {
    return this.meta.table(TABLES.inodes)
  }
  get #dentries(): Table {
    return this.meta.table(TABLES.dentries)
  }
  get #chunks(): Table {
    return this.meta.table(TABLES.chunks)
  }
  get #pages(): Table {
    return this.meta.table(TABLES.pages)
  }
  get #links(): Table {
    return this.meta.table(TABLES.links)
  }
  get #ids(): Table {
    return this.meta.table(TABLES.ids)
  }
  get #dirty(): Table {
    return this.meta.table(TABLES.dirty)
  }
  get #removed(): Table {
    return this.meta.table(TABLES.removed)
  }
  get #state(): Table {
    return this.meta.table(TABLES.state)
  }
  get #sequence(): number {
    return readBe48(this.#state.get(Buffer.from('sequence'))!)
  }
  get #published(): number {
    return readBe48(this.#state.get(Buffer.from('published'))!)
  }

  async #commit(): Promise<void> {
    if (this.#isFrozen) throw new Error('a commit while frozen')
    this.#state.put(Buffer.from('sequence'), be48(this.#sequence + 1))
    await this.meta.commit()
  }

  #newInode(mode: number): InodeRecord {
    const times = { atimeSec: 1, atimeNsec: 2, mtimeSec: this.random.bytes(1)[0]!, mtimeNsec: 3 }
    return {
      ino: 0,
      fileId: this.random.bytes(16),
      mode,
      uid: 1000,
      gid: 1000,
      nlink: 1,
      rdev: 0,
      size: 0,
      ...times,
      ctimeSec: 4,
      ctimeNsec: 5,
      btimeSec: 6,
      btimeNsec: 7,
      parent: 0,
      nextCookie: 1,
      fixedChunks: false,
      inline: undefined,
      ref: undefined,
      unloaded: false,
      xattrs: [{ name: 'user.test', value: Buffer.from('value') }],
    }
  }

  #putInode(record: InodeRecord): void {
    this.#inodes.put(inodeKey(record.ino), encodeInode(record))
  }

  #touch(ino: number): void {
    this.#dirty.put(be64(ino), be48(this.#sequence))
    this.lastChangeMs = this.clock.nowMs()
    this.onChange()
  }

  #counter(name: string): number {
    const value = readBe64(this.#state.get(Buffer.from(name))!)
    this.#state.put(Buffer.from(name), be64(value + 1))
    return value
  }

  #putRemoved(record: Parameters<typeof encodeRemoved>[0]): void {
    this.#removed.put(removedKey(this.#counter('nextRemoved')), encodeRemoved(record))
  }

  #hash(name: string): Uint8Array {
    return createHash('sha256').update(this.keys.nameKey).update(name, 'latin1').digest()
  }

  async #parentOf(path: string): Promise<number> {
    return (await this.find(path.split('/').slice(0, -1).join('/')))!
  }

  async #add(path: string, record: InodeRecord): Promise<number> {
    const ino = this.#counter('nextIno')
    this.#putInode({ ...record, ino })
    await this.#addEntry(path, ino)
    this.#touch(ino)
    return ino
  }

  async #addEntry(path: string, ino: number): Promise<void> {
    const parent = await this.#parentOf(path)
    await this.#loadDirectory(parent)
    const name = nameFromText(path.split('/').at(-1)!)
    const record = this.inode(ino)
    const row: DentryRecord = { name, ino, type: record.mode >> 12, cookie: this.#sequence }
    this.#dentries.put(dentryKey(parent, this.#hash(name)), encodeDentry(row))
    this.#putInode({ ...record, parent })
    this.#touch(parent)
  }

  #rows(ino: number): ChunkRecord[] {
    return Array.from(this.#chunks.range(rowsOf(ino)), ([key, value]) => decodeChunk(secondOf(key), value))
  }

  #dropRows(ino: number): void {
    for (const row of this.#rows(ino)) this.#dropRow(ino, row)
    for (const [key] of [...this.#pages.range(rowsOf(ino))]) this.#pages.delete(key)
  }

  #dropRow(ino: number, { offset, digest, born }: ChunkRecord): void {
    this.#putRemoved({ kind: 'block', digest, born })
    this.#chunks.delete(chunkKey(ino, offset))
  }

  async #clear(ino: number): Promise<void> {
    const record = this.inode(ino)
    if (record.unloaded) {
      this.#putRemoved({ kind: 'node', ...record.ref! })
      this.#putInode({ ...record, ref: undefined, unloaded: false })
    }
    this.#dropRows(ino)
  }

  #writeChunks(ino: number, bytes: Uint8Array): void {
    let from = 0
    const mode = this.inode(ino).fixedChunks ? 'fixed' : 'content-defined'
    for (const end of this.core.cut(bytes, mode, true, this.keys)) {
      const { sealed, digest, key } = this.core.sealLeaf(bytes.subarray(from, end), this.keys)
      const known = this.blocks.get(hex(digest))
      if (known === undefined) this.blocks.set(hex(digest), { bytes: sealed, isEvictable: false })
      else known.isEvictable = false
      const row = { offset: from, length: end - from, skip: 0, digest, key, born: this.#sequence }
      this.#chunks.put(chunkKey(ino, from), encodeChunk(row))
      from = end
    }
  }

  #writePages(ino: number, offset: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += PAGE_BYTES) {
      this.#pages.put(pageKey(ino, (offset + at) / PAGE_BYTES), bytes.subarray(at, at + PAGE_BYTES))
    }
  }

  #applyMerge(ino: number, rows: readonly ChunkRecord[], sequence: number): void {
    const dirty = this.#dirty.get(be64(ino))
    const isCurrent =
      this.#inodes.get(inodeKey(ino)) !== undefined && (dirty === undefined || readBe48(dirty) <= sequence)
    if (!isCurrent) {
      for (const { digest } of rows) this.#putRemoved({ kind: 'block', digest, born: sequence })
      return
    }
    for (const old of this.#rows(ino)) {
      if (rows.some((row) => old.offset >= row.offset && old.offset < row.offset + row.length)) this.#dropRow(ino, old)
    }
    for (const row of rows) this.#chunks.put(chunkKey(ino, row.offset), encodeChunk(row))
    for (const [key] of [...this.#pages.range(rowsOf(ino))]) this.#pages.delete(key)
    this.#putInode({ ...this.inode(ino), inline: undefined })
  }

  #digestsBornAfter(sequence: number): Set<string> {
    const used = new Set<string>()
    for (const [key, value] of this.#chunks.range()) {
      const row = decodeChunk(secondOf(key), value)
      if (row.born > sequence) used.add(hex(row.digest))
    }
    return used
  }

  async #loadDirectory(ino: number): Promise<void> {
    const record = this.inode(ino)
    if (!record.unloaded) return
    for (const { name, record: child, chunks } of await childrenOf(this.remote!, record.ref!)) {
      const known = this.#ids.get(child.fileId)
      const childIno = known === undefined ? this.#counter('nextIno') : readBe64(known)
      if (known === undefined) {
        this.#putInode({ ...child, ino: childIno, parent: ino, nextCookie: 1 })
        for (const chunk of chunks ?? [])
          this.#chunks.put(chunkKey(childIno, chunk.offset), encodeChunk({ ...chunk, born: 0 }))
      }
      if (!isDirectory(child) && child.nlink > 1) {
        this.#ids.put(child.fileId, be64(childIno))
        this.#links.put(linkKey(childIno, ino, this.#hash(name)), Buffer.of(1))
      }
      const row = { name, ino: childIno, type: child.mode >> 12, cookie: 1 }
      this.#dentries.put(dentryKey(ino, this.#hash(name)), encodeDentry(row))
    }
    this.#putInode({ ...this.inode(ino), unloaded: false })
  }

  async #loadChunks(ino: number): Promise<void> {
    const record = this.inode(ino)
    if (!record.unloaded || isDirectory(record)) return
    for (const chunk of await chunksOf(this.remote!, record.ref!)) {
      this.#chunks.put(chunkKey(ino, chunk.offset), encodeChunk({ ...chunk, born: 0 }))
    }
    this.#putInode({ ...this.inode(ino), unloaded: false })
  }
}

async function childrenOf(remote: RemoteSource, ref: NodeRef): Promise<RemoteChild[]> {
  const children: RemoteChild[] = []
  for (;;) {
    const page = await remote.loadDirectory({ ref, after: children.at(-1)?.name })
    children.push(...page.children)
    if (page.isLast) return children
  }
}

async function chunksOf(remote: RemoteSource, ref: NodeRef): Promise<Omit<ChunkRecord, 'born'>[]> {
  const chunks: Omit<ChunkRecord, 'born'>[] = []
  for (;;) {
    const page = await remote.loadChunks({ ref, after: chunks.at(-1)?.offset })
    chunks.push(...page.chunks)
    if (page.isLast) return chunks
  }
}
