/** From the change of uses to what a commit says of the live set: repeated blocks, blocks to send, the pin forest. */
import type { Digest } from '../../base/index.js'
import { duplicateRow, sortRows, updateForest, type ForestState, type MapRow, type TreeRef } from '../../dag/index.js'
import { buildVersion, dropMap, type BuildContext } from './build-context.js'
import { pagesOf } from '../../storage/kv/index.js'
import {
  decodeCount,
  decodeDelta,
  digestOf,
  encodeNode,
  encodeOutgoing,
  FOREST_REBUILT,
  forestKey,
  type BlockKind,
} from '../tables/queue-tables.js'

/** The table of blocks used more than once. @param previous of the published version */
export async function buildDuplicates(
  previous: TreeRef | undefined,
  context: BuildContext,
): Promise<TreeRef | undefined> {
  const { tables, delta, pace } = context
  const changes = new Map<string, MapRow | undefined>()
  for (const rows of pagesOf(tables.delta)) {
    for (const [digest, value] of rows) {
      await pace.step()
      const { before, after } = delta.uses(digest, decodeDelta(value))
      if (before === after || (before <= 1 && after <= 1)) continue
      changes.set(latin1(digest), after > 1 ? duplicateRow(digestOf(digest), after - 1) : undefined)
    }
  }
  if (changes.size === 0) return previous
  const kept: MapRow[] = []
  for (const rows of pagesOf(tables.repeated)) {
    for (const [digest, value] of rows) {
      if (!changes.has(latin1(digest))) kept.push(duplicateRow(digestOf(digest), decodeCount(value) - 1))
    }
  }
  for (const row of changes.values()) if (row !== undefined) kept.push(row)
  if (kept.length > 0) return buildVersion(sortRows(kept), previous, context)
  if (previous !== undefined) await dropMap(previous, context)
  return undefined
}

export interface Outgoing {
  readonly count: number
  readonly bytes: number
}

/** Fills `outgoing` with what the published version does not have. @returns its size, and how the number of live blocks changes */
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

export interface BuiltForest {
  readonly root: Digest
  readonly bits: number
}

/** The forest of the new live set; its new nodes join `outgoing`. @param count live blocks of the new version */
export function buildForest(
  count: number,
  previousBits: number | undefined,
  context: BuildContext,
): BuiltForest & Outgoing {
  const { tables } = context
  const state: ForestState = {
    count,
    previousBits,
    previousNode: (bits, prefix) => tables.forest.get(forestKey(bits, prefix)),
    digests: (range) => liveAfter(range.start, range.end, context),
    changed: changedDigests(context),
  }
  const forest = updateForest(state)
  if (forest.rebuilt) tables.newForest.put(FOREST_REBUILT, Buffer.of(1))
  for (const { bits, prefix, digest } of forest.nodes) {
    tables.newForest.put(forestKey(bits, prefix), digest ?? new Uint8Array(0))
  }
  let bytes = 0
  for (const block of forest.blocks) {
    storeBlock(block.digest, block.bytes, 'dag-pb', context)
    bytes += block.bytes.length
  }
  return { root: forest.root, bits: forest.bits, count: forest.blocks.length, bytes }
}

/** A block that is in the pinned version without being in the forest. */
export function storeBlock(
  digest: Digest,
  bytes: Uint8Array,
  kind: BlockKind,
  { tables }: Pick<BuildContext, 'tables'>,
): void {
  tables.nodes.put(digest, encodeNode({ codec: kind === 'dag-pb' ? 'dag-pb' : 'raw', bytes }))
  tables.outgoing.put(digest, encodeOutgoing({ isSent: false, kind, sizeBytes: bytes.length }))
}

/** Live digests of the new version in a range, ascending: those of the published one, corrected by the change. */
function* liveAfter(start: Uint8Array, end: Uint8Array | undefined, context: BuildContext): Generator<Digest> {
  const { tables, delta } = context
  const range = { start, ...(end && { end }) }
  const live = rowsOf(pagesOf(tables.live, range))
  const changes = rowsOf(pagesOf(tables.delta, range))
  let old = live.next()
  let change = changes.next()
  while (old.done !== true || change.done !== true) {
    const order = old.done === true ? 1 : change.done === true ? -1 : Buffer.compare(old.value[0], change.value[0])
    if (order < 0) {
      yield digestOf(old.value![0])
      old = live.next()
      continue
    }
    const [digest, value] = change.value!
    if (delta.uses(digest, decodeDelta(value)).after > 0) yield digestOf(digest)
    change = changes.next()
    if (order === 0) old = live.next()
  }
}

function* rowsOf(
  pages: Iterable<(readonly [Uint8Array, Uint8Array])[]>,
): Generator<readonly [Uint8Array, Uint8Array], undefined> {
  for (const rows of pages) yield* rows
}

function* changedDigests({ tables, delta }: BuildContext): Generator<Digest> {
  for (const rows of pagesOf(tables.delta)) {
    for (const [digest, value] of rows) {
      const { before, after } = delta.uses(digest, decodeDelta(value))
      if (before > 0 !== after > 0) yield digestOf(digest)
    }
  }
}

function latin1(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}
