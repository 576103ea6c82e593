/**
 * Counts the references of a published version from its tree, into `live` and `repeated`. It reads one node at a time,
 * and the nodes still to be read are in a table. So memory does not grow with the tree, a walk that was interrupted
 * goes on, and a node that many paths lead to is read at most twice.
 */
import {
  isDriveError,
  throwIfAborted,
  type Digest,
  type DriveError,
  type DriveErrorCode,
  type FileId,
} from '../../base/index.js'
import {
  decodeTableNode,
  loadPlainNode,
  type EntryRecord,
  type FetchBlock,
  type TableKind,
  type TableNode,
  type TreeRef,
} from '../../dag/index.js'
import { isDirectory } from '../../model/index.js'
import { be64, pagesOf, type Environment } from '../../storage/kv/index.js'
import { decodeCount, digestOf, encodeCount, MOST_USES, type QueueTables } from '../tables/queue-tables.js'

const KINDS: readonly TableKind[] = ['directory', 'chunks', 'links', 'counts']
const NODES_AT_ONCE = 16
const ROWS_A_COMMIT = 20_000

/** Errors of a part of a version that is not there, or is not what it must be. Other parts may still be read. */
const UNREADABLE_PART: ReadonlySet<DriveErrorCode> = new Set(['NOT_FOUND', 'WRONG_BLOCK', 'CORRUPT'])

/** Whether a part of a published version cannot be read, now or for ever. */
export function isUnreadablePart(error: unknown): error is DriveError {
  return isDriveError(error) && UNREADABLE_PART.has(error.code)
}

export interface VersionCounter {
  readonly tables: Pick<QueueTables, 'live' | 'repeated' | 'uncounted' | 'shared'>
  readonly queue: Pick<Environment, 'commit' | 'pendingCount'>
  readonly fetch: FetchBlock
  /** A node cannot be read, or a row of it (`undefined`). What is below is not counted. Durable with the count. */
  readonly onGap: (error: DriveError | undefined) => void
}

/** Counts one reference to a node. `countUncounted` counts what is below. */
export function countNode(ref: TreeRef, kind: TableKind, counter: Pick<VersionCounter, 'tables'>): void {
  useNode(ref, kind, counter.tables, false)
}

/** Counts everything below the nodes in `uncounted`, and empties it. Goes on after an error or a crash. */
export async function countUncounted(counter: VersionCounter, signal: AbortSignal): Promise<void> {
  const { tables, queue } = counter
  for (let isEmpty = false; !isEmpty;) {
    isEmpty = true
    for (const rows of pagesOf(tables.uncounted, { pageRows: NODES_AT_ONCE })) {
      isEmpty = false
      throwIfAborted(signal)
      const read = await Promise.allSettled(rows.map((row) => readNode(digestOf(row[0]), row[1], counter, signal)))
      for (const [at, found] of read.entries()) {
        throwIfAborted(signal)
        if (found.status === 'fulfilled') settleNode(digestOf(rows[at]![0]), found.value, counter)
        if (queue.pendingCount > ROWS_A_COMMIT) await queue.commit()
      }
      const failed = read.find((one) => one.status === 'rejected')
      if (failed !== undefined) throw failed.reason
    }
  }
}

/** Not decoded yet: a decoded node takes many times the memory of its bytes. */
type FoundNode = { readonly kind: TableKind; readonly plain: Uint8Array } | { readonly error: DriveError }

/** Without a pause, so that each commit has a node and what is below it, or neither. */
function settleNode(digest: Digest, found: FoundNode, counter: VersionCounter): void {
  const { uncounted } = counter.tables
  // A node that was read at the same time may have referred to it meanwhile.
  const { isShared } = decodeUncounted(uncounted.get(digest)!)
  const node = decoded(found)
  if ('error' in node) counter.onGap(node.error)
  else countBelow(node, isShared, counter)
  uncounted.delete(digest)
}

async function readNode(
  digest: Digest,
  row: Uint8Array,
  { fetch }: VersionCounter,
  signal: AbortSignal,
): Promise<FoundNode> {
  const { kind, key } = decodeUncounted(row)
  try {
    return { kind, plain: await loadPlainNode({ digest, key }, fetch, signal) }
  } catch (error) {
    if (!isUnreadablePart(error)) throw error
    return { error }
  }
}

function decoded(found: FoundNode): DecodedNode | { readonly error: DriveError } {
  if ('error' in found) return found
  const { kind, plain } = found
  try {
    return { kind, ...decodeTableNode(plain, kind) }
  } catch (error) {
    if (!isUnreadablePart(error)) throw error
    return { error }
  }
}

type DecodedNode = TableNode & { readonly kind: TableKind }

function countBelow(node: DecodedNode, isShared: boolean, counter: VersionCounter): void {
  const { tables, onGap } = counter
  for (const ref of node.below) useNode(ref, node.kind, tables, isShared)
  for (const { digest } of node.chunks) useBlock(digest, tables, isShared)
  for (const entry of node.entries) useContent(entry, tables, isShared)
  for (const [fileId, value] of node.links) keepLink(fileId, value, tables)
  if (node.isPartly) onGap(undefined)
}

function useContent({ content, ...entry }: EntryRecord, tables: VersionCounter['tables'], isShared: boolean): void {
  if (content.kind === 'chunks') for (const { digest } of content.chunks) useBlock(digest, tables, isShared)
  if (content.kind === 'tree') useNode(content.ref, isDirectory(entry) ? 'directory' : 'chunks', tables, isShared)
}

/** A file that was loaded here keeps its inode number. */
function keepLink(fileId: FileId, value: Uint8Array, { shared }: VersionCounter['tables']): void {
  if (shared.get(fileId) === undefined) shared.put(fileId, Buffer.concat([be64(0), value]))
}

/**
 * No program makes a version that refers to a node twice. In a forged one the number of paths may be exponential: what
 * is below such a node is never given up.
 */
function useNode(ref: TreeRef, kind: TableKind, tables: VersionCounter['tables'], isShared: boolean): void {
  const before = decodeCount(tables.live.get(ref.digest))
  if (before >= MOST_USES) return
  const isTwice = isShared || before > 0
  putCount(ref.digest, isTwice ? MOST_USES : 1, tables)
  tables.uncounted.put(ref.digest, encodeUncounted({ kind, key: ref.key, isShared: isTwice }))
}

function useBlock(digest: Digest, tables: VersionCounter['tables'], isShared: boolean): void {
  const before = decodeCount(tables.live.get(digest))
  putCount(digest, isShared ? MOST_USES : Math.min(MOST_USES, before + 1), tables)
}

/** @param uses at least 1 */
export function putCount(
  digest: Digest,
  uses: number,
  { live, repeated }: Pick<VersionCounter['tables'], 'live' | 'repeated'>,
): void {
  const row = encodeCount(uses)
  live.put(digest, row)
  if (uses > 1) repeated.put(digest, row)
}

interface Uncounted {
  readonly kind: TableKind
  readonly isShared: boolean
  readonly key: TreeRef['key']
}

function encodeUncounted({ kind, isShared, key }: Uncounted): Uint8Array {
  return Buffer.concat([Buffer.of(KINDS.indexOf(kind) | (isShared ? 0x80 : 0)), key])
}

function decodeUncounted(row: Uint8Array): Uncounted {
  return { kind: KINDS[row[0]! & 0x7f]!, isShared: (row[0]! & 0x80) !== 0, key: row.slice(1) }
}
