/**
 * The local part of a check: rows of the tree, sealed blocks, and tree nodes stored here. It reads from the node only
 * for repairs.
 */
import { setImmediate } from 'node:timers/promises'
import {
  equalBytes,
  hex,
  isDriveError,
  nameFromBytes,
  nameToText,
  throwIfAborted,
  type Digest,
} from '../../base/index.js'
import { cidOf } from '../../dag/index.js'
import { isDirectory, ROOT_INO } from '../../model/index.js'
import type { InodeRecord, TreeView } from '../../tree-state/index.js'
import { decodeNode, digestOf, encodeNode, unreadableNames } from '../../commits/index.js'
import { pagesOf } from '../../storage/kv/index.js'
import type { CheckRequest, CheckFinding } from './contract.js'
import type { CheckParts } from './parts.js'
import { readFromNode } from './copies.js'
import { FileFindings, type FileOf } from './file-findings.js'
import {
  CheckedBlocks,
  chunkSlices,
  hasParent,
  inodeSlices,
  isStillReferenced,
  pathOf,
  unlessCorrupt,
  withView,
  type FileRow,
} from './slices.js'

const INODES_A_SLICE = 512
const ROWS_A_SLICE = 16

type Request = Pick<CheckRequest, 'repair' | 'signal' | 'onFinding'>

/**
 * A row that does not open is reported, and the check continues.
 * @param onRead gets the number of blocks read
 */
export async function checkHere(parts: CheckParts, request: Request, onRead: (blocks: number) => void): Promise<void> {
  await checkRecords(parts, request)
  await checkBlocks(parts, request, onRead)
  await checkNodes(parts, request, onRead)
}

async function checkRecords(parts: CheckParts, { signal, onFinding }: Request): Promise<void> {
  const { meta } = parts
  const onDamaged = (ino: number): void => {
    // Others are reported with their name, by the directory that has it.
    if (ino === ROOT_INO) onFinding({ ...of('here', 'damaged', 'record', 'lost'), path: '' })
  }
  for (const records of inodeSlices(meta, INODES_A_SLICE, onDamaged)) {
    throwIfAborted(signal)
    await setImmediate()
    const found = withView(meta, (view) => records.flatMap(({ ino }) => brokenAt(ino, view)))
    for (const { what, path } of found)
      onFinding({ ...of('here', what === 'entry' ? 'name' : 'damaged', what, 'lost'), path })
    for (const record of records) if (isDirectory(record)) await reportUnreadable(record, parts, onFinding)
  }
}

/** Entries that cannot be decoded, of a directory that another device made. */
async function reportUnreadable(
  { ino, ref }: InodeRecord,
  { meta, state }: CheckParts,
  onFinding: Request['onFinding'],
): Promise<void> {
  if (ref === undefined) return
  let path: string | undefined
  let named = 0
  for (const name of unreadableNames(ref.digest, state.tables)) {
    if (named++ % INODES_A_SLICE === 0) await setImmediate()
    path ??= withView(meta, (view) => unlessCorrupt(() => pathOf(ino, view)))
    onFinding({ ...of('here', 'damaged', 'entry', 'lost'), path: below(path, nameToText(nameFromBytes(name))) })
  }
}

interface Broken {
  readonly what: 'entry' | 'record'
  readonly path: string | undefined
}

/** Defects of an inode: no parent, or, for a directory, an entry that leads to no inode of its type. */
function brokenAt(ino: number, view: TreeView): Broken[] {
  const record = view.inode(ino)
  if (record === undefined) return [] // removed meanwhile
  const path = (): string | undefined => unlessCorrupt(() => pathOf(ino, view))
  // A parent whose row does not open is reported with its own name.
  if (unlessCorrupt(() => hasParent(record, view)) === false) return [{ what: 'entry', path: path() }]
  if (!isDirectory(record)) return []
  const broken: Broken[] = []
  const isWhole = unlessCorrupt(() => {
    let isSound = true
    for (const entry of view.entries(ino)) {
      const type = unlessCorrupt(() => view.inode(entry.ino)?.mode ?? 0)
      if (type === undefined) broken.push({ what: 'record', path: below(path(), nameToText(entry.name)) })
      else if (type >>> 12 !== entry.type) isSound = false
    }
    return isSound
  })
  if (isWhole === undefined) broken.push({ what: 'record', path: path() })
  else if (!isWhole) broken.push({ what: 'entry', path: path() })
  return broken
}

function below(path: string | undefined, name: string): string {
  return path === undefined || path === '' ? name : `${path}/${name}`
}

async function checkBlocks(parts: CheckParts, request: Request, onRead: (blocks: number) => void): Promise<void> {
  const { meta, port } = parts
  const files = new FileFindings(request.onFinding)
  const onDamaged = (ino: number): void => {
    const finding = { where: 'here', kind: 'damaged', what: 'record', cid: undefined, outcome: 'lost' } as const
    files.add(ino, finding, () => fileOf(ino, meta))
  }
  const checked = new CheckedBlocks()
  for (const rows of chunkSlices(meta, ROWS_A_SLICE, onDamaged)) {
    throwIfAborted(request.signal)
    const published = withView(meta, (view) => view.published)
    const unread = rows.filter((row) => checked.of(row) === undefined)
    const blocks = await readOnce(unread, port)
    for (const row of rows) {
      await setImmediate()
      const known = checked.of(row)
      const failed = typeof known === 'object' ? known : undefined
      const bytes = blocks.get(hex(row.digest))
      if (known === undefined && bytes !== undefined) onRead(1)
      // A block that is not here is on the node, unless no version contains it yet.
      const isMissing = known === undefined && bytes === undefined
      const length = bytes === undefined || known !== undefined ? known : plainLength(row, bytes, parts)
      if (typeof length === 'number') checked.note(row, length)
      if (isMissing ? row.born <= published : typeof length === 'number' && row.skip + row.length <= length) continue
      // A block published a moment ago may be evicted by now. After the flush, the tables are current.
      if (isMissing) await port.flush()
      if (unlessCorrupt(() => isStillReferenced(row, meta, isMissing)) === false) continue
      const kind = isMissing ? 'missing' : 'damaged'
      // The block itself is good if only the row asks for more than it has.
      const outcome =
        typeof length === 'number' ? 'lost' : (failed?.outcome ?? (await healBlock(row.digest, parts, request)))
      if (!isMissing && length === undefined) checked.note(row, { outcome })
      const cid = cidOf(row.digest, 'raw')
      files.add(row.ino, { where: 'here', kind, what: 'block', cid, outcome }, () => fileOf(row.ino, meta))
    }
  }
  files.end()
}

function fileOf(ino: number, meta: CheckParts['meta']): FileOf {
  return withView(meta, (view) => ({
    path: unlessCorrupt(() => pathOf(ino, view)),
    fileId: unlessCorrupt(() => view.inode(ino)?.fileId),
  }))
}

/** The blocks that are here, by digest. */
async function readOnce(
  rows: readonly FileRow[],
  port: Pick<CheckParts['port'], 'readBlocks'>,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const wanted = new Map(rows.map(({ digest }) => [hex(digest), digestOf(digest)]))
  const blocks = await port.readBlocks([...wanted.values()])
  return new Map([...wanted.keys()].flatMap((name, i) => (blocks[i] === undefined ? [] : [[name, blocks[i]]])))
}

/** Of a block that matches the row's digest and opens with its key. */
function plainLength(row: FileRow, bytes: Uint8Array, { core }: CheckParts): number | undefined {
  if (!equalBytes(core.sha256(bytes), row.digest)) return undefined
  try {
    return core.openLeaf(bytes, row.key).length
  } catch (error) {
    if (isDriveError(error, 'CORRUPT')) return undefined
    throw error
  }
}

/** Fetches a good copy from the node. Without `repair`, only reports whether the node should have one. */
async function healBlock(
  digest: Digest,
  parts: CheckParts,
  { repair, signal }: Request,
): Promise<CheckFinding['outcome']> {
  const { state, port, core } = parts
  const isPublished = state.tables.live.get(digest) !== undefined
  let isAtNode = isPublished
  if (!repair) return isPublished ? 'open' : 'lost'
  try {
    const copy = await readFromNode(digest, 'raw', parts, signal)
    if (copy.kind !== 'good') return 'lost'
    isAtNode = true
    await port.restoreBlocks([{ digest: digestOf(digest), bytes: copy.bytes }])
    const [again] = await port.readBlocks([digestOf(digest)])
    return again !== undefined && equalBytes(core.sha256(again), digest) ? 'healed' : 'open'
  } catch (error) {
    if (!isDriveError(error) || error.code === 'ABORTED') throw error
    return isAtNode ? 'open' : 'lost' // the node is offline, or the disk is full
  }
}

/** Tree nodes and pin tree nodes of the current version, and of a version being published. */
async function checkNodes(parts: CheckParts, request: Request, onRead: (blocks: number) => void): Promise<void> {
  const { state, core } = parts
  const { nodes } = state.tables
  for (const rows of pagesOf(nodes, { pageRows: ROWS_A_SLICE })) {
    throwIfAborted(request.signal)
    await setImmediate()
    for (const [key] of rows) {
      const digest = digestOf(key)
      const stored = nodes.get(digest)
      if (stored === undefined) continue
      onRead(1)
      const { codec, bytes } = decodeNode(stored)
      if (equalBytes(core.sha256(bytes), digest)) continue
      const cid = cidOf(digest, codec)
      const copy = request.repair
        ? await readFromNode(digest, codec, parts, request.signal).catch(unlessAborted)
        : undefined
      if (copy?.kind === 'good') {
        nodes.put(digest, encodeNode({ codec, bytes: copy.bytes }))
        await state.queue.commit()
      }
      const outcome = copy?.kind === 'good' ? 'healed' : 'open'
      request.onFinding({ ...of('here', 'damaged', 'directory', outcome), cid })
    }
  }
}

function unlessAborted(error: unknown): undefined {
  if (isDriveError(error, 'ABORTED')) throw error
}

function of(
  where: CheckFinding['where'],
  kind: CheckFinding['kind'],
  what: CheckFinding['what'],
  outcome: CheckFinding['outcome'],
): CheckFinding {
  return { where, kind, what, outcome, path: undefined, fileId: undefined, cid: undefined, blocks: 1 }
}
