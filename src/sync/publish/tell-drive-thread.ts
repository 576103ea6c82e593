/** Tells the drive thread about a published version, in messages of bounded length, whatever the version changed. */
import type { Digest } from '../../base/index.js'
import { LiveDelta, decodeDelta, digestOf, isConfirmable, isNothingDamaged } from '../../commits/index.js'
import { readBe64, rowsIn } from '../../storage/kv/index.js'
import {
  decodeChunk,
  secondOf,
  type ChunkRecord,
  type DrivePort,
  type PublishedCommit,
} from '../../tree-state/index.js'
import type { Plan, SyncState } from '../state/sync-state.js'

const DIGESTS_A_MESSAGE = 10_000
const REFS_A_PART = 10_000
/** Each row may replace 64 staged pages. They are deleted in the same commit, and each maps 64 KiB of `meta` then. */
const MERGED_ROWS_A_PART = 32

type Part = Pick<PublishedCommit, 'refs' | 'merged'>
type Blocks = Pick<PublishedCommit, 'confirmed' | 'discarded'>
const NO_BLOCKS: Blocks = { confirmed: [], discarded: [] }
const NO_ROWS: Part = { refs: [], merged: [] }

/** May be repeated: it makes the same parts again, and the drive thread applies each of them once. */
export async function tellDriveThread(
  { sequence, removedBefore }: Pick<Plan, 'sequence' | 'removedBefore'>,
  { tables }: Pick<SyncState, 'tables'>,
  port: Pick<DrivePort, 'published'>,
): Promise<void> {
  const tell = (part: Part, index: number, isLast: boolean, blocks: Blocks): Promise<void> =>
    port.published({ sequence, removedBefore, part: { index, isLast }, ...part, ...blocks })
  let index = 0
  let last = NO_ROWS
  for (const part of partsOf(tables)) {
    if (last !== NO_ROWS) await tell(last, index++, false, NO_BLOCKS)
    last = part
  }
  let next = last
  for (const blocks of blocksOf(tables)) {
    await tell(next, index, true, blocks)
    next = NO_ROWS
  }
}

/** New content nodes, then merged files; a file with many rows is divided. */
function* partsOf(tables: SyncState['tables']): Generator<Part, undefined> {
  let refs: { ino: number; ref: { digest: Digest; key: Uint8Array } | undefined }[] = []
  for (const [key, value] of rowsIn(tables.refs)) {
    const ref = value.length === 0 ? undefined : { digest: value.slice(0, 32), key: value.slice(32, 64) }
    refs.push({ ino: readBe64(key), ref })
    if (refs.length < REFS_A_PART) continue
    yield { refs, merged: [] }
    refs = []
  }
  let rows = 0
  let merged: { ino: number; rows: ChunkRecord[]; isContinued: boolean }[] = []
  for (const [key, value] of rowsIn(tables.merged)) {
    const ino = readBe64(key)
    const last = merged.at(-1)
    if (rows >= MERGED_ROWS_A_PART) {
      if (last !== undefined) last.isContinued = last.ino === ino
      yield { refs, merged }
      ;[refs, merged, rows] = [[], [], 0]
    }
    const row = ownChunk(decodeChunk(secondOf(key), value))
    if (merged.at(-1)?.ino === ino) merged.at(-1)!.rows.push(row)
    else merged.push({ ino, rows: [row], isContinued: false })
    rows++
  }
  if (refs.length + merged.length > 0) yield { refs, merged }
}

/** A copy: a view would be sent together with its whole underlying buffer. */
function ownChunk(row: ChunkRecord): ChunkRecord {
  return { ...row, digest: digestOf(row.digest), key: digestOf(row.key) }
}

/** Yields at least once. Leaf blocks of the version, and blocks that are no longer referenced. */
function* blocksOf(tables: SyncState['tables']): Generator<Blocks, undefined> {
  const delta = new LiveDelta(tables)
  const isSound = isNothingDamaged(tables)
  let [confirmed, discarded]: [Digest[], Digest[]] = [[], []]
  for (const [digest, value] of rowsIn(tables.delta)) {
    const row = decodeDelta(value)
    if (row.kind !== 'leaf') continue
    // A node that damaged a block or its predecessor has to give this one back first (src/sync/check).
    if (delta.uses(digest, row).after === 0) discarded.push(digestOf(digest))
    else if (isSound || isConfirmable(digestOf(digest), tables)) confirmed.push(digestOf(digest))
    if (confirmed.length + discarded.length < DIGESTS_A_MESSAGE) continue
    yield { confirmed, discarded }
    ;[confirmed, discarded] = [[], []]
  }
  yield { confirmed, discarded }
}
