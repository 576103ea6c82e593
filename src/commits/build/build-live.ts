/**
 * Turns the refcount changes into the commit's description of the live set: refcounts above one, blocks to send, the
 * pin tree.
 */
import type { Digest } from '../../base/index.js'
import { duplicateRow, updatePinTree, type PinTreeState, type MapRow, type TreeRef } from '../../dag/index.js'
import { buildVersion, dropMap, isToBeRenewed, type BuildContext } from './build-context.js'
import { pagesOf, rowsIn } from '../../storage/kv/index.js'
import { joinRows } from '../tables/join-rows.js'
import {
  decodeCount,
  decodeDelta,
  digestOf,
  encodeNode,
  encodeOutgoing,
  FOREST_REBUILT,
  pinTreeKey,
  type BlockKind,
} from '../tables/queue-tables.js'

/** Builds the table of refcounts above one. @param previous the table of the published version */
export async function buildDuplicates(
  previous: TreeRef | undefined,
  context: BuildContext,
): Promise<TreeRef | undefined> {
  // A published table that cannot be trusted counts as none; see sync/publish/import-live.ts.
  const isMissing = previous === undefined && rowsIn(context.tables.repeated).next().done !== true
  const isSame = !context.isAnew && !isMissing && !(await hasNewDuplicates(context))
  if (isSame && !(await isToBeRenewed(previous, context))) return previous
  if (duplicateRows(context).next().done !== true) return buildVersion(duplicateRows(context), previous, context)
  if (previous !== undefined) await dropMap(previous, context)
  return undefined
}

async function hasNewDuplicates({ tables, delta, pace }: BuildContext): Promise<boolean> {
  for (const [digest, value] of rowsIn(tables.delta)) {
    await pace.step()
    const { before, after } = delta.uses(digest, decodeDelta(value))
    if (before !== after && (before > 1 || after > 1)) return true
  }
  return false
}

/**
 * Rows of the new version, by digest. The build may add new nodes of the table itself to the changes meanwhile; their
 * refcount is 1.
 */
function* duplicateRows({ tables, delta }: BuildContext): Generator<MapRow, undefined> {
  for (const { key, left, right } of joinRows(rowsIn(tables.repeated), rowsIn(tables.delta))) {
    const uses = right === undefined ? decodeCount(left) : delta.uses(key, decodeDelta(right)).after
    if (uses > 1) yield duplicateRow(digestOf(key), uses - 1)
  }
}

export interface Outgoing {
  readonly count: number
  readonly bytes: number
}

/**
 * Fills `outgoing` with the blocks that the published version does not have.
 * @returns the size of `outgoing`, and the change in the number of live blocks
 */
export async function listOutgoing(context: BuildContext): Promise<Outgoing & { readonly liveChange: number }> {
  const { tables, delta, pace } = context
  let [count, bytes, liveChange] = [0, 0, 0]
  for (const rows of pagesOf(tables.delta)) {
    for (const [digest, value] of rows) {
      await pace.step()
      const row = decodeDelta(value)
      const { before, after } = delta.uses(digest, row)
      if (before > 0 && after === 0) liveChange--
      if (before > 0 || after === 0) continue
      liveChange++
      count++
      bytes += row.sizeBytes
      tables.outgoing.put(digest, encodeOutgoing({ isSent: false, kind: row.kind, sizeBytes: row.sizeBytes }))
    }
  }
  return { count, bytes, liveChange }
}

export interface BuiltPinTree {
  readonly root: Digest
  readonly bits: number
}

/**
 * Builds the pin tree of the new live set and adds its new nodes to `outgoing`. @param count live blocks of the new
 * version
 */
export function buildPinTree(
  count: number,
  previousBits: number | undefined,
  context: BuildContext,
): BuiltPinTree & Outgoing {
  const { tables } = context
  let [blocks, bytes] = [0, 0]
  const state: PinTreeState = {
    count,
    previousBits,
    previousNode: (bits, prefix) => tables.forest.get(pinTreeKey(bits, prefix)),
    digests: (range) => liveAfter(range.start, range.end, context),
    changed: changedDigests(context),
    onBlock: (block) => {
      storeBlock(block.digest, block.bytes, 'dag-pb', context)
      blocks++
      bytes += block.bytes.length
    },
  }
  const forest = updatePinTree(state)
  if (forest.rebuilt) tables.newForest.put(FOREST_REBUILT, Buffer.of(1))
  for (const { bits, prefix, digest } of forest.nodes) {
    tables.newForest.put(pinTreeKey(bits, prefix), digest ?? new Uint8Array(0))
  }
  return { root: forest.root, bits: forest.bits, count: blocks, bytes }
}

/** Stores a block that is part of the pinned version but not in the pin tree. */
export function storeBlock(
  digest: Digest,
  bytes: Uint8Array,
  kind: BlockKind,
  { tables }: Pick<BuildContext, 'tables'>,
): void {
  tables.nodes.put(digest, encodeNode({ codec: kind === 'dag-pb' ? 'dag-pb' : 'raw', bytes }))
  tables.outgoing.put(digest, encodeOutgoing({ isSent: false, kind, sizeBytes: bytes.length }))
}

/** Live digests of the new version in a range, ascending: the published digests with the changes applied. */
function* liveAfter(start: Uint8Array, end: Uint8Array | undefined, context: BuildContext): Generator<Digest> {
  const { tables, delta } = context
  const range = { start, ...(end && { end }) }
  for (const { key, right } of joinRows(rowsIn(tables.live, range), rowsIn(tables.delta, range)))
    if (right === undefined || delta.uses(key, decodeDelta(right)).after > 0) yield digestOf(key)
}

function* changedDigests({ tables, delta }: BuildContext): Generator<Digest> {
  for (const rows of pagesOf(tables.delta)) {
    for (const [digest, value] of rows) {
      const { before, after } = delta.uses(digest, decodeDelta(value))
      if (before > 0 !== after > 0) yield digestOf(digest)
    }
  }
}
