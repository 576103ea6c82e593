/** read(2): views of opened blocks if only chunks lie in the range, a merged copy otherwise; and prefetch. */
import { KIB, MIB } from '../../base/index.js'
import type { ChunkRecord } from '../../tree-state/index.js'
import type { FileHandle } from '../inodes/handles.js'
import type { Inode } from '../inodes/inode.js'
import { settle, Wait } from '../maybe.js'
import type { Caller, Maybe } from '../tree.js'
import { type ComposeParts, composeOrWait, hasOnlyRows, visibleRows, type Reader } from './compose.js'
import type { FileContent } from './file-content.js'
import { contentOrWait, type LoadParts } from './load-content.js'
import { OpenedBlocks } from '../chunks/opened-blocks.js'
import { loadRows } from '../chunks/load-rows.js'
import { bytesOfRow } from '../chunks/rows.js'
import type { TreeBlocks } from '../staging/tree-blocks.js'

/** The parts that reading uses. */
export interface ReadParts extends ComposeParts, LoadParts {
  readonly state: LoadParts['state']
  readonly blocks: TreeBlocks
}

const ZEROS = Buffer.alloc(MIB)
const AHEAD_BYTES = 8 * MIB
/** Prefetch starts after this many sequential reads. */
const SEQUENTIAL_AFTER = 2
/** A random read of at most this size opens only the part of a block that it needs. */
const PART_BYTES = 64 * KIB
/** 'parts again': the blocks have just been read and verified, so reading a page of them hardly waits for the disk. */
type Mode = 'whole' | 'parts' | 'parts again'
const NOTHING: readonly Uint8Array[] = []

/** One read: the blocks opened so far, the mode, and the caller. */
interface Request extends Reader {
  mode: Mode
}

/**
 * Up to `size` bytes; fewer only at the end of the file. Rejects with OFFLINE when blocks are remote and no node
 * answers.
 * @param file the handle, if any: for prefetch
 */
export function read(
  parts: ReadParts,
  file: FileHandle | { readonly inode: Inode },
  offset: number,
  size: number,
  caller: Caller,
): Maybe<readonly Uint8Array[]> {
  const { inode } = file
  if (inode.content === undefined && inode.inline !== undefined) {
    return offset >= inode.inline.length ? NOTHING : [inode.inline.subarray(offset, offset + size)]
  }
  const handle = 'nextRead' in file ? file : undefined
  let request: Request | undefined
  const bytes = settle(() => {
    const to = Math.min(inode.size, offset + size)
    if (offset >= to) return NOTHING
    const content = contentOrWait(parts, inode, caller)
    if (content instanceof Wait) return content
    if (request !== undefined) request.mode = request.mode === 'whole' ? 'whole' : 'parts again'
    else {
      const isPart = handle !== undefined && to - offset <= PART_BYTES && offset !== handle.nextRead
      request = { opened: new OpenedBlocks(), caller, mode: isPart ? 'parts' : 'whole' }
      if (handle !== undefined) readAhead(parts, content, handle, offset, to)
    }
    const bytes = hasOnlyRows(inode, content, offset, to)
      ? viewsOrWait(parts, content, offset, to, request)
      : composeOrWait(parts, inode, offset, to, request)
    if (bytes instanceof Wait && handle !== undefined) handle.isCold = true
    return bytes instanceof Uint8Array ? [bytes] : bytes
  })
  if (bytes instanceof Promise) {
    const end = (): void => request?.opened.release()
    bytes.then(end, end)
  }
  return bytes
}

function viewsOrWait(
  parts: ReadParts,
  content: FileContent,
  from: number,
  to: number,
  request: Request,
): readonly Uint8Array[] | Wait {
  const views: Uint8Array[] = []
  let at = from
  for (const row of content.rows.within(from, to)) {
    const begin = Math.max(at, row.offset)
    const end = Math.min(to, row.offset + row.length)
    const view = viewNow(parts, row, begin - row.offset, end - row.offset, request)
    if (view === undefined) {
      const { opened, caller, mode } = request
      const rows = visibleRows(content, from, to)
      return new Wait(loadRows(parts.reader, rows, { opened, caller, inParts: mode === 'parts' }))
    }
    if (row.offset > at) addZeros(views, row.offset - at)
    views.push(view)
    at = end
  }
  if (at < to) addZeros(views, to - at)
  return views
}

function viewNow(
  parts: ReadParts,
  row: ChunkRecord,
  from: number,
  to: number,
  { opened, mode }: Request,
): Uint8Array | undefined {
  const copy = opened.copyOf(row)
  if (copy !== undefined) return copy.subarray(from, to)
  if (mode !== 'whole') {
    const part = parts.reader.openPartNow(row, row.skip + from, row.skip + to, opened, mode === 'parts again')
    if (part !== undefined) return part
  }
  const plain = parts.reader.openNow(row, opened)
  return plain && bytesOfRow(plain, row).subarray(from, to)
}

function addZeros(views: Uint8Array[], length: number): void {
  for (let left = length; left > 0; left -= ZEROS.length)
    views.push(left < ZEROS.length ? ZEROS.subarray(0, left) : ZEROS)
}

/** On sequential access, requests blocks that are not in memory before they are read. */
function readAhead(parts: ReadParts, content: FileContent, handle: FileHandle, offset: number, to: number): void {
  const isNext = offset === handle.nextRead
  handle.sequentialReads = isNext ? handle.sequentialReads + 1 : 0
  handle.nextRead = to
  if (!isNext) {
    handle.aheadTo = to
    handle.isCold = false
  }
  if (handle.sequentialReads < SEQUENTIAL_AFTER || handle.aheadTo - to > AHEAD_BYTES / 2) return
  const from = Math.max(to, handle.aheadTo)
  const until = to + AHEAD_BYTES
  handle.aheadTo = until
  const wanted: ChunkRecord[] = []
  for (const row of content.rows.within(from, until)) {
    if (!parts.reader.isOpened(row) && (handle.isCold || !parts.blocks.store.has(row.digest))) wanted.push(row)
  }
  const next = wanted[parts.reader.prefetch(wanted)]
  if (next !== undefined) handle.aheadTo = next.offset
}
