/**
 * Frees the blocks that no pin reaches. First the index rows of unreachable blocks are deleted durably. Then segments
 * without live blocks are deleted, and segments with much dead space are rewritten (free-segments.ts). Memory is
 * bounded: reachable blocks are marked for one part of all digests at a time, and the pinned trees are walked once per
 * part.
 */
import { setImmediate } from 'node:timers/promises'
import { DriveError, isDriveError, MIB, throwIfAborted, type Digest } from '../../base/index.js'
import type { CallOptions, CollectOptions } from '../contract.js'
import { cidOf, decodeVersionRoot, parseCid, type Cid } from '../../dag/index.js'
import type { BlockIndex } from './block-index.js'
import { DigestSet } from './digest-set.js'
import { freeSegments } from './free-segments.js'
import { isFull } from './store-error.js'
import type { GrowingSegments } from '../../storage/segments/index.js'
import { findMissing, type WalkSource } from './walk.js'

/** Number of digests marked at a time: about 16 MB. */
const MARKED = 500_000
/** If trees refer to this many times the blocks of the store, this program did not make them. */
const MOST_NAMED = 4
/** Less garbage than this is not worth a collection that asks for a share. */
export const LEAST_GARBAGE_BYTES = 4 * MIB

export interface CollectedStore {
  readonly index: BlockIndex
  readonly segments: GrowingSegments
  readonly source: WalkSource
  /** Frees the reserve for work on a full disk. */
  readonly withReserve?: <T>(work: () => Promise<T>) => Promise<T>
  /** Number of digests marked at a time; for tests. */
  readonly marked?: number
}

/** The caller makes sure that no import and no pin runs meanwhile. @returns the number of removed blocks */
export async function collectGarbage(
  store: CollectedStore,
  options: CallOptions & CollectOptions = {},
): Promise<{ removedBlocks: number }> {
  const { leastShare = 0, keep = () => false, signal } = options
  const { index, withReserve = (work) => work() } = store
  if (index.areRootsIncomplete)
    throw new DriveError('NODE_ERROR', 'Garbage was not collected: the list of pins is damaged.')
  const parts = await partsOf(index, store.marked ?? MARKED)
  const garbageOf = async (part: number): Promise<(digest: Digest) => boolean> => {
    const isInPart = (digest: Digest): boolean => parts === 1 || partOf(digest, parts) === part
    const live = await reachable(store, isInPart, signal)
    return (digest) => isInPart(digest) && !live.has(digest) && !keep(digest)
  }
  const isFirstGarbage = await garbageOf(0)
  // Digests are spread evenly, so the first part represents all.
  if (leastShare > 0 && (await shareOf(isFirstGarbage, parts, store)) < leastShare) return { removedBlocks: 0 }
  return withReserve(async () => {
    const makeRoom = (): Promise<void> => freeSegments(index, store.segments, options)
    let removedBlocks = await forget(isFirstGarbage, index, { makeRoom, signal })
    for (let part = 1; part < parts; part++) {
      removedBlocks += await forget(await garbageOf(part), index, { makeRoom, signal })
    }
    await makeRoom()
    return { removedBlocks }
  })
}

/** The number of parts in which digests are marked. The index may report more blocks than it has rows. */
async function partsOf(index: BlockIndex, marked: number): Promise<number> {
  if (index.blockCount <= marked) return 1
  let rows = 0
  for (const page of index.pages()) {
    rows += page.length
    await setImmediate()
  }
  return Math.max(1, Math.ceil(rows / marked))
}

/**
 * @param makeRoom frees the space of the blocks deleted so far; on a full disk the index may need it
 * @returns the number of blocks removed from the index
 */
async function forget(
  isGarbage: (digest: Digest) => boolean,
  index: BlockIndex,
  { makeRoom, signal }: { makeRoom: () => Promise<void>; signal: AbortSignal | undefined },
): Promise<number> {
  let removed = 0
  for (const page of index.pages()) {
    throwIfAborted(signal)
    const forgotten = page.map(([digest]) => digest).filter(isGarbage)
    if (forgotten.length > 0) {
      await index.commit({ forgotten }).catch(async (error: unknown) => {
        if (!isFull(error)) throw error
        await makeRoom()
        await index.commit({ forgotten })
      })
    }
    removed += forgotten.length
    await setImmediate()
  }
  return removed
}

function partOf(digest: Digest, parts: number): number {
  return ((digest[16]! << 16) | (digest[17]! << 8) | digest[18]!) % parts
}

/**
 * A missing leaf does not stop the collection. A missing pin tree node does, because the blocks below it are unknown.
 */
async function reachable(
  { index, source, marked = MARKED }: CollectedStore,
  isWanted: (digest: Digest) => boolean,
  signal: AbortSignal | undefined,
): Promise<DigestSet> {
  const live = new DigestSet()
  const forest: WalkSource = {
    has: (cid) => cid.codec === 'raw' || source.has(cid),
    read: (cid) => source.read(cid),
  }
  const visit = ({ digest }: { digest: Digest }): void => {
    if (!isWanted(digest)) return
    live.add(digest)
    if (live.size <= MOST_NAMED * marked) return
    throw new DriveError(
      'NODE_ERROR',
      'Garbage was not collected: the pinned trees refer to far more blocks than the store has.',
    )
  }
  for (const pin of index.pins()) {
    const missing = await findMissing(forest, parseCid(pin.cid), { signal, visit })
    if (missing === undefined) continue
    throw new DriveError('NODE_ERROR', 'Garbage was not collected: a pinned tree has a missing block.', {
      about: { root: pin.cid, missing: cidOf(missing.digest, missing.codec) },
    })
  }
  for (const root of index.formerRoots) await visitVersion(parseCid(root), source, visit)
  return live
}

/** The root and the commit of a replaced version, without the version's content; see `MOST_FORMER`. */
async function visitVersion(root: Cid, source: WalkSource, visit: (cid: Cid) => void): Promise<void> {
  if (root.codec !== 'dag-pb' || !source.has(root)) return
  try {
    const { commit } = decodeVersionRoot(await source.read(root))
    visit(root)
    visit({ digest: commit, codec: 'raw' })
  } catch (error) {
    // Damaged, or not a version root: the rest of the history is still kept.
    if (!isDriveError(error, 'WRONG_BLOCK') && !isDriveError(error, 'CORRUPT')) throw error
  }
}

/**
 * @param isGarbage marks garbage within one of `parts` parts
 * @returns the approximate share of garbage in the store's bytes; 0 when there is little garbage
 */
async function shareOf(
  isGarbage: (digest: Digest) => boolean,
  parts: number,
  { index, segments }: CollectedStore,
): Promise<number> {
  let [all, garbage] = [0, 0]
  for (const page of index.pages()) {
    for (const [digest, { length }] of page) {
      all += length
      if (isGarbage(digest)) garbage += length
    }
    await setImmediate()
  }
  const bytes = segments.usedBytes - all + garbage * parts
  return bytes < LEAST_GARBAGE_BYTES ? 0 : bytes / segments.usedBytes
}
