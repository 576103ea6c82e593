/** The content of one file in a new version: what of it is new, staged pages merged, and the list of its chunks. */
import { chunkRow, MAX_EMBEDDED_CHUNKS, type EntryRecord } from '../../dag/index.js'
import { be64 } from '../../storage/kv/index.js'
import { chunkKey, encodeChunk, type ChunkRecord, type InodeRecord } from '../../tree-state/index.js'
import { adopt } from './adopt.js'
import { buildVersion, dropMap, sameDigest, type BuildContext } from './build-context.js'
import { chunkOf, isFile, treeContent } from '../entry-of.js'
import { mergePages, readMerged, type MergeInput } from './merge-pages.js'

/** Bodies up to this size live in their entry. */
export const INLINE_BYTES = 2048

type Content = EntryRecord['content']

/**
 * The content of anything but a directory. For a changed file also: its new rows are counted in, and rows made from pages and a new
 * content node are noted for the drive thread.
 */
export async function contentOf(record: InodeRecord, isDirty: boolean, context: BuildContext): Promise<Content> {
  if (!isFile(record)) return record.inline === undefined ? { kind: 'none' } : { kind: 'inline', bytes: record.inline }
  if (record.unloaded || (!isDirty && record.ref !== undefined)) return treeContent(record.ref)
  const { ino } = record
  const rows = [...context.view.chunks(ino)]
  if (isDirty) countNewRows(rows, context)
  const content = await currentContent(record, rows, context)
  if (isDirty) await settleRef(record, content, context)
  return content
}

/** Rows of a file that is in no directory any more (still open): counted, so that every row of the instant is live or was counted. */
export function countRows(ino: number, context: BuildContext): void {
  countNewRows(context.view.chunks(ino), context)
}

function countNewRows(rows: Iterable<ChunkRecord>, { delta, published }: BuildContext): void {
  for (const row of rows) if (row.born > published) delta.add(row.digest, 1, 'leaf', row.length)
}

async function currentContent(record: InodeRecord, rows: ChunkRecord[], context: BuildContext): Promise<Content> {
  const { view } = context
  const { ino, size, inline } = record
  const hasPages = view.hasPages(ino)
  if (!hasPages && rows.length === 0)
    return inline === undefined || size === 0 ? { kind: 'none' } : { kind: 'inline', bytes: inline }
  if (!hasPages && inline === undefined) return listed(record, rows, context)
  const input: MergeInput = {
    sizeBytes: size,
    fixedChunks: record.fixedChunks,
    inline,
    rows,
    pages: (from, to) => view.pages(ino, from, to),
    sequence: context.sequence,
  }
  if (size === 0) return { kind: 'none' }
  if (size <= INLINE_BYTES) return { kind: 'inline', bytes: await readMerged(input, 0, size, context) }
  const merged = await mergePages(input, {
    sealer: context.sealer,
    readLeaf: context.readLeaf,
    adopt: (blocks) => adopt(blocks, context),
  })
  for (const row of merged.added) {
    context.delta.add(row.digest, 1, 'leaf', row.length)
    context.tables.merged.put(chunkKey(ino, row.offset), encodeChunk(row))
  }
  return listed(record, merged.rows, context)
}

async function listed(record: InodeRecord, rows: readonly ChunkRecord[], context: BuildContext): Promise<Content> {
  if (rows.length === 0) return { kind: 'none' }
  if (rows.length <= MAX_EMBEDDED_CHUNKS) return { kind: 'chunks', chunks: rows.map(chunkOf) }
  return treeContent(
    await buildVersion(
      rows.map((row) => chunkRow(chunkOf(row))),
      record.ref,
      context,
    ),
  )
}

/** Tells the drive thread about a new or vanished chunk list, and counts a vanished one out. */
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
