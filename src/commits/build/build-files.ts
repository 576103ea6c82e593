/** The content of one file in a new version: counts new rows, merges staged pages, and builds the chunk list. */
import { MIB } from '../../base/index.js'
import {
  chunkRow,
  MAX_EMBEDDED_CHUNKS,
  MAX_INLINE_BYTES,
  type EntryRecord,
  type FileChunk,
  type MapRow,
} from '../../dag/index.js'
import { be64, rowsIn } from '../../storage/kv/index.js'
import {
  chunkKey,
  decodeChunk,
  encodeChunk,
  rowsOf,
  secondOf,
  type ChunkRecord,
  type InodeRecord,
  type TreeView,
} from '../../tree-state/index.js'
import { adopt } from './adopt.js'
import { buildVersion, dropMap, sameDigest, type BuildContext } from './build-context.js'
import { countChunkList } from './count-anew.js'
import { INLINE_BYTES, isFile } from '../../model/index.js'
import { chunkOf, treeContent } from '../entry-of.js'
import { mergePages, readMerged, type MergeInput } from './merge-pages.js'

const MAX_LEAF_BYTES = MIB

type Content = EntryRecord['content']

/**
 * The content of any object except a directory. For a changed file, this also counts references of new rows, and
 * records the merged rows and the new content node for the drive thread.
 */
export async function contentOf(record: InodeRecord, isDirty: boolean, context: BuildContext): Promise<Content> {
  if (!isFile(record)) return record.inline === undefined ? { kind: 'none' } : { kind: 'inline', bytes: record.inline }
  if (record.unloaded && record.ref !== undefined && context.isAnew) await countChunkList(record.ref, context)
  if (record.unloaded || (!isDirty && record.ref !== undefined)) return treeContent(record.ref)
  if (isDirty) await countNewRows(record.ino, context)
  const content = await currentContent(record, context)
  if (isDirty) await settleRef(record, content, context)
  return content
}

/** Counts the rows of an orphan (an open file without a name), so that every row of the snapshot is counted. */
export async function countOrphan(ino: number, context: BuildContext): Promise<void> {
  const record = context.view.inode(ino)
  if (record?.unloaded !== true) return countNewRows(ino, context)
  if (context.isAnew && record.ref !== undefined && isFile(record)) await countChunkList(record.ref, context)
}

async function countNewRows(ino: number, { view, delta, published, pace }: BuildContext): Promise<void> {
  for (const row of view.chunks(ino)) {
    if (row.born > published) delta.add(row.digest, 1, 'leaf', row.length)
    await pace.step()
  }
}

async function currentContent(record: InodeRecord, context: BuildContext): Promise<Content> {
  const { view, tables, delta } = context
  const { ino, size, inline } = record
  const hasPages = view.hasPages(ino)
  if (!hasPages && !view.hasChunks(ino))
    return inline === undefined || size === 0 ? { kind: 'none' } : { kind: 'inline', bytes: ofSize(inline, size) }
  if (!hasPages && inline === undefined) return listed(record, () => view.chunks(ino), context)
  const input: MergeInput = {
    sizeBytes: size,
    fixedChunks: record.fixedChunks,
    inline,
    rows: () => view.chunks(ino),
    rowsOver: (from, to) => rowsOver(view, ino, from, to),
    pageIndexes: () => view.pageIndexes(ino),
    pages: (from, to) => view.pages(ino, from, to),
    sequence: context.sequence,
  }
  if (size === 0) return { kind: 'none' }
  if (size <= INLINE_BYTES) return { kind: 'inline', bytes: await readMerged(input, 0, size, context) }
  await mergePages(input, {
    sealer: context.sealer,
    readLeaf: context.readLeaf,
    adopt: (blocks) => adopt(blocks, context),
    add: (row) => {
      delta.add(row.digest, 1, 'leaf', row.length)
      tables.merged.put(chunkKey(ino, row.offset), encodeChunk(row))
    },
  })
  return listed(record, () => mergedRows(ino, context), context)
}

/** Readers refuse a body that is not as long as the size. A local row can have one if bytes could not be staged. */
function ofSize(inline: Uint8Array, size: number): Uint8Array {
  if (inline.length === size || size > MAX_INLINE_BYTES) return inline
  return inline.length > size ? inline.subarray(0, size) : Buffer.concat([inline], size)
}

/** Rows that overlap `from … to`. No row is longer than the longest block. */
function* rowsOver(view: TreeView, ino: number, from: number, to: number): Generator<ChunkRecord, undefined> {
  for (const row of view.chunksBetween(ino, Math.max(0, from - MAX_LEAF_BYTES), to))
    if (row.offset + row.length > from) yield row
}

/** The file's rows after the merge. A new row replaces exactly the rows that begin within its range. */
function* mergedRows(ino: number, { view, tables }: BuildContext): Generator<ChunkRecord, undefined> {
  const merged = rowsIn(tables.merged, rowsOf(ino))
  const next = (): ChunkRecord | undefined => {
    const row = merged.next().value
    return row && decodeChunk(secondOf(row[0]), row[1])
  }
  let made = next()
  let end = 0
  for (const row of view.chunks(ino)) {
    for (; made !== undefined && made.offset <= row.offset; made = next()) {
      yield made
      end = made.offset + made.length
    }
    if (row.offset >= end) yield row
  }
  for (; made !== undefined; made = next()) yield made
}

async function listed(
  record: InodeRecord,
  rows: () => Generator<ChunkRecord, undefined>,
  context: BuildContext,
): Promise<Content> {
  const chunks: FileChunk[] = []
  for (const row of rows()) if (chunks.push(chunkOf(row)) > MAX_EMBEDDED_CHUNKS) break
  if (chunks.length === 0) return { kind: 'none' }
  if (chunks.length <= MAX_EMBEDDED_CHUNKS) return { kind: 'chunks', chunks }
  return treeContent(await buildVersion(chunkRows(rows()), record.ref, context))
}

function* chunkRows(rows: Iterable<ChunkRecord>): Generator<MapRow, undefined> {
  for (const row of rows) yield chunkRow(chunkOf(row))
}

/** Records a new or removed chunk list for the drive thread, and removes the references of a removed one. */
async function settleRef(record: InodeRecord, content: Content, context: BuildContext): Promise<void> {
  const { ref, ino } = record
  if (content.kind === 'tree') {
    if (ref !== undefined && sameDigest(ref.digest, content.ref.digest)) return
    context.tables.refs.put(be64(ino), Buffer.concat([content.ref.digest, content.ref.key]))
  } else if (ref !== undefined) {
    await dropMap(ref, context)
    context.tables.refs.put(be64(ino), new Uint8Array(0))
  }
}
