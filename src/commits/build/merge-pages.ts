/**
 * Turns a file's staged pages into new chunks: the extents they touch are read, overlaid and cut again. Rows outside
 * the touched regions stay. A region never splits a row, so the new rows replace exactly the rows that begin inside it.
 */
import { setImmediate } from 'node:timers/promises'
import { DriveError, MIB, type Digest, type SecretKey } from '../../base/index.js'
import { PAGE_BYTES, type ChunkRecord, type StagedPage } from '../../tree-state/index.js'

export interface MergeInput {
  readonly sizeBytes: number
  readonly fixedChunks: boolean
  /** The old inline body of a small file. Rows and pages override it. */
  readonly inline: Uint8Array | undefined
  /** All rows, ascending and not overlapping. */
  rows(): Iterable<ChunkRecord>
  /** The rows that overlap the bytes `from … to`. */
  rowsOver(from: number, to: number): Iterable<ChunkRecord>
  /** The indexes of all staged pages, ascending. May be called several times. */
  pageIndexes(): Iterable<number>
  /** Ascending. */
  pages(from: number, to: number): Iterable<StagedPage>
  readonly sequence: number
}

/** Cuts and seals like the pipeline, so equal bytes become equal blocks. */
export interface ChunkSealer {
  /** Chunk length for files that are written in place. */
  readonly fixedBytes: number
  /** Ends of the chunks in `plain`. @param isEnd the region ends here, so its last bytes become a chunk too */
  cut(plain: Uint8Array, mode: 'fixed' | 'content-defined', isEnd: boolean): Iterable<number>
  seal(plain: Uint8Array): SealedBlock & { readonly key: SecretKey }
}

export interface MergeContext {
  readonly sealer: ChunkSealer
  /** Reads and opens a leaf block. @returns its plaintext */
  readLeaf(digest: Digest, key: SecretKey): Promise<Uint8Array>
  /** Stores new sealed blocks. They are durable when it resolves. */
  adopt(blocks: readonly SealedBlock[]): Promise<void>
  /** Adds a new row of the file. */
  add(row: ChunkRecord): void
}

export interface SealedBlock {
  readonly digest: Digest
  readonly bytes: Uint8Array
  readonly dedupId: Uint8Array
}

interface Region {
  start: number
  end: number
}

/** Plaintext read and cut at a time. */
const WINDOW_BYTES = 2 * MIB
/** Blocks become durable together, because each sync of the disk is expensive. */
const ADOPTED_BYTES = 8 * MIB

/** Passes new rows to `context.add` in order of their offsets, after their blocks were adopted. */
export async function mergePages(input: MergeInput, context: MergeContext): Promise<void> {
  const made = new MadeBlocks(context)
  for (const region of touchedRegions(input, context.sealer.fixedBytes)) await cutRegion(region, input, context, made)
  await made.adopt()
}

/** New blocks and their rows, before they are adopted. */
class MadeBlocks {
  readonly #context: Pick<MergeContext, 'adopt' | 'add'>
  #blocks: SealedBlock[] = []
  #rows: ChunkRecord[] = []
  #bytes = 0

  constructor(context: Pick<MergeContext, 'adopt' | 'add'>) {
    this.#context = context
  }

  async add(block: SealedBlock, row: ChunkRecord): Promise<void> {
    this.#blocks.push(block)
    this.#rows.push(row)
    this.#bytes += block.bytes.length
    if (this.#bytes >= ADOPTED_BYTES) await this.adopt()
  }

  async adopt(): Promise<void> {
    const [blocks, rows] = [this.#blocks, this.#rows]
    if (blocks.length === 0) return
    this.#blocks = []
    this.#rows = []
    this.#bytes = 0
    await this.#context.adopt(blocks)
    for (const row of rows) this.#context.add(row)
  }
}

/** The file's bytes `start … end`: gaps are zeros, rows override the inline body, pages override both. */
export async function readMerged(
  input: MergeInput,
  start: number,
  end: number,
  context: Pick<MergeContext, 'readLeaf'>,
): Promise<Uint8Array> {
  const out = new Uint8Array(end - start)
  if (input.inline !== undefined) place(out, start, 0, input.inline)
  for (const row of input.rowsOver(start, end)) {
    const plain = await context.readLeaf(row.digest, row.key)
    if (row.skip + row.length > plain.length)
      throw new DriveError('CORRUPT', 'A file refers to bytes beyond the end of a block.')
    place(out, start, row.offset, plain.subarray(row.skip, row.skip + row.length))
  }
  const pages = input.pages(Math.floor(start / PAGE_BYTES), Math.ceil(end / PAGE_BYTES))
  for (const page of pages) place(out, start, page.index * PAGE_BYTES, page.bytes)
  return out
}

/** Copies the part of `bytes` (at file offset `at`) that overlaps `out` (at file offset `start`). */
function place(out: Uint8Array, start: number, at: number, bytes: Uint8Array): void {
  const from = Math.max(start, at)
  const to = Math.min(start + out.length, at + bytes.length)
  if (from < to) out.set(bytes.subarray(from - at, to - at), from - start)
}

/**
 * The regions that need new chunks, ascending and disjoint: the pages (in fixed mode the 256 KiB around them), widened
 * to whole rows. A region is yielded once the next one is known not to touch it.
 */
function* touchedRegions(input: MergeInput, fixedBytes: number): Generator<Region, undefined> {
  const { sizeBytes, fixedChunks } = input
  const ahead = new RowsAhead(input.rows())
  let open: Region | undefined
  for (const { from, to } of touchedRanges(input)) {
    const start = fixedChunks ? Math.floor(from / fixedBytes) * fixedBytes : from
    const end = Math.min(sizeBytes, fixedChunks ? Math.ceil(to / fixedBytes) * fixedBytes : to)
    if (start >= end || (open !== undefined && open.end >= start && open.end >= end)) continue
    const region = widened({ start, end }, sizeBytes, ahead)
    if (open !== undefined && open.end >= region.start) open.end = Math.max(open.end, region.end)
    else {
      if (open !== undefined) yield open
      open = region
    }
  }
  if (open !== undefined) yield open
}

function* touchedRanges(input: MergeInput): Generator<{ from: number; to: number }, undefined> {
  const { inline } = input
  if (inline !== undefined && inline.length > 0) yield { from: 0, to: inline.length }
  for (const index of input.pageIndexes()) yield { from: index * PAGE_BYTES, to: (index + 1) * PAGE_BYTES }
}

function widened(region: Region, sizeBytes: number, ahead: RowsAhead): Region {
  ahead.dropBefore(region.start)
  for (let i = 0; ; i++) {
    const row = ahead.at(i)
    if (row === undefined || row.offset >= region.end) return region
    region.start = Math.min(region.start, row.offset)
    region.end = Math.max(region.end, Math.min(sizeBytes, row.offset + row.length))
  }
}

/** A forward reader of a file's rows. Regions ascend, so rows before the current region are never needed again. */
class RowsAhead {
  readonly #rows: Iterator<ChunkRecord>
  readonly #kept: ChunkRecord[] = []

  constructor(rows: Iterable<ChunkRecord>) {
    this.#rows = rows[Symbol.iterator]()
  }

  dropBefore(offset: number): void {
    for (let row = this.at(0); row !== undefined && row.offset + row.length <= offset; row = this.at(0))
      this.#kept.shift()
  }

  at(index: number): ChunkRecord | undefined {
    while (this.#kept.length <= index) {
      const next = this.#rows.next()
      if (next.done === true) return undefined
      this.#kept.push(next.value)
    }
    return this.#kept[index]
  }
}

async function cutRegion(region: Region, input: MergeInput, context: MergeContext, made: MadeBlocks): Promise<void> {
  const { sealer } = context
  const mode = input.fixedChunks ? 'fixed' : 'content-defined'
  for (let at = region.start; at < region.end;) {
    const windowEnd = Math.min(region.end, at + WINDOW_BYTES)
    const plain = await readMerged(input, at, windowEnd, context)
    let from = 0
    for (const end of sealer.cut(plain, mode, windowEnd === region.end)) {
      const { key, ...block } = sealer.seal(plain.subarray(from, end))
      const length = end - from
      await made.add(block, { offset: at + from, length, skip: 0, digest: block.digest, key, born: input.sequence })
      from = end
    }
    await setImmediate()
    at += from
  }
}
