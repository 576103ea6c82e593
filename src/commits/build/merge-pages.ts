/**
 * Turns a file's staged pages into new chunks: the runs they touch are read, overlaid and cut again. Rows outside the touched
 * regions stay. A region never cuts a row in two, so the new rows replace exactly the rows that begin inside it.
 */
import { setImmediate } from 'node:timers/promises'
import { DriveError, MIB, type Digest, type SecretKey } from '../../base/index.js'
import { PAGE_BYTES, type ChunkRecord, type StagedPage } from '../../tree-state/index.js'

export interface MergeInput {
  readonly sizeBytes: number
  readonly fixedChunks: boolean
  /** Bytes 0 … length under everything else: a small file's old body. */
  readonly inline: Uint8Array | undefined
  /** Ascending, not overlapping. */
  readonly rows: readonly ChunkRecord[]
  /** Ascending; may be called several times. */
  pages(from: number, to: number): Iterable<StagedPage>
  readonly sequence: number
}

/** Cuts and seals as the pipeline does, so that equal bytes become equal blocks. */
export interface ChunkSealer {
  /** Length of chunks of files that are written in place. */
  readonly fixedBytes: number
  /** Ends of the chunks in `plain`. @param isEnd no bytes of the region follow: the last chunk is cut too */
  cut(plain: Uint8Array, mode: 'fixed' | 'content-defined', isEnd: boolean): Iterable<number>
  seal(plain: Uint8Array): SealedBlock & { readonly key: SecretKey }
}

export interface MergeContext {
  readonly sealer: ChunkSealer
  /** Opened plaintext of a leaf block. */
  readLeaf(digest: Digest, key: SecretKey): Promise<Uint8Array>
  /** Takes new sealed blocks; durable when it resolves. */
  adopt(blocks: readonly SealedBlock[]): Promise<void>
}

export interface SealedBlock {
  readonly digest: Digest
  readonly bytes: Uint8Array
  readonly dedupId: Uint8Array
}

export interface Merged {
  /** The file's whole chunk list after the merge. */
  readonly rows: ChunkRecord[]
  /** Those of `rows` that are new. */
  readonly added: ChunkRecord[]
}

interface Region {
  start: number
  end: number
}

/** Plaintext read and cut at a time. */
const WINDOW_BYTES = 8 * MIB

export async function mergePages(input: MergeInput, context: MergeContext): Promise<Merged> {
  const added: ChunkRecord[] = []
  const regions = touchedRegions(input, context.sealer.fixedBytes)
  for (const region of regions) added.push(...(await cutRegion(region, input, context)))
  let at = 0
  const kept = input.rows.filter((row) => {
    while (at < regions.length && regions[at]!.end <= row.offset) at++
    return at === regions.length || row.offset < regions[at]!.start
  })
  return { rows: [...kept, ...added].sort((a, b) => a.offset - b.offset), added }
}

/** The file's bytes `start … end`: gaps are zeros, rows lie over the inline body, pages over both. */
export async function readMerged(
  input: MergeInput,
  start: number,
  end: number,
  context: Pick<MergeContext, 'readLeaf'>,
): Promise<Uint8Array> {
  const out = new Uint8Array(end - start)
  if (input.inline !== undefined) place(out, start, 0, input.inline)
  for (const row of input.rows) {
    if (row.offset >= end || row.offset + row.length <= start) continue
    const plain = await context.readLeaf(row.digest, row.key)
    if (row.skip + row.length > plain.length)
      throw new DriveError('CORRUPT', 'A file claims more of a block than there is.')
    place(out, start, row.offset, plain.subarray(row.skip, row.skip + row.length))
  }
  const pages = input.pages(Math.floor(start / PAGE_BYTES), Math.ceil(end / PAGE_BYTES))
  for (const page of pages) place(out, start, page.index * PAGE_BYTES, page.bytes)
  return out
}

/** Copies what of `bytes` (at file offset `at`) falls into `out` (at file offset `start`). */
function place(out: Uint8Array, start: number, at: number, bytes: Uint8Array): void {
  const from = Math.max(start, at)
  const to = Math.min(start + out.length, at + bytes.length)
  if (from < to) out.set(bytes.subarray(from - at, to - at), from - start)
}

/** Where new chunks are needed, ascending and apart: pages (in fixed mode the 256 KiB around them), widened to whole rows. */
function touchedRegions(input: MergeInput, fixedBytes: number): Region[] {
  const { sizeBytes, fixedChunks, rows } = input
  const regions: Region[] = []
  let at = 0
  const touch = (from: number, to: number): void => {
    const start = fixedChunks ? Math.floor(from / fixedBytes) * fixedBytes : from
    const end = Math.min(sizeBytes, fixedChunks ? Math.ceil(to / fixedBytes) * fixedBytes : to)
    if (start >= end) return
    const region = { start, end }
    const before = regions.at(-1)
    if (before !== undefined && before.end >= start && before.end >= end) return
    // Rows are ascending and regions come in ascending order: those that end before this region never matter again.
    while (at < rows.length && rows[at]!.offset + rows[at]!.length <= start) at++
    for (let i = at; i < rows.length && rows[i]!.offset < region.end; i++) {
      const row = rows[i]!
      region.start = Math.min(region.start, row.offset)
      region.end = Math.max(region.end, Math.min(sizeBytes, row.offset + row.length))
    }
    if (before !== undefined && before.end >= region.start) before.end = Math.max(before.end, region.end)
    else regions.push(region)
  }
  if (input.inline !== undefined && input.inline.length > 0) touch(0, input.inline.length)
  for (const page of input.pages(0, Math.ceil(sizeBytes / PAGE_BYTES))) {
    touch(page.index * PAGE_BYTES, page.index * PAGE_BYTES + page.bytes.length)
  }
  return regions
}

async function cutRegion(region: Region, input: MergeInput, context: MergeContext): Promise<ChunkRecord[]> {
  const { sealer } = context
  const made: ChunkRecord[] = []
  const mode = input.fixedChunks ? 'fixed' : 'content-defined'
  for (let at = region.start; at < region.end;) {
    const windowEnd = Math.min(region.end, at + WINDOW_BYTES)
    const plain = await readMerged(input, at, windowEnd, context)
    const blocks: SealedBlock[] = []
    let from = 0
    for (const end of sealer.cut(plain, mode, windowEnd === region.end)) {
      const { key, ...block } = sealer.seal(plain.subarray(from, end))
      blocks.push(block)
      made.push({ offset: at + from, length: end - from, skip: 0, digest: block.digest, key, born: input.sequence })
      from = end
    }
    await context.adopt(blocks)
    await setImmediate()
    at += from
  }
  return made
}
