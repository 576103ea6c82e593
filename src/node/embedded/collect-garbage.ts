/**
 * Frees what no pin reaches. Index rows of unreachable blocks go first, durably; then segments without live blocks are
 * deleted, and segments with much dead space are rewritten (free-segments.ts). Memory is bounded: what is reachable is
 * marked for one part of all digests at a time, and the pinned trees are walked once a part.
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

/** Digests marked at a time: about 16 MB. */
const MARKED = 500_000
/** Trees that name so many times as many blocks as the store has are none of ours. */
const MOST_NAMED = 4
/** Less garbage than this is not worth a collection that asks for a share. */
export const LEAST_GARBAGE_BYTES = 4 * MIB

export interface CollectedStore {
  readonly index: BlockIndex
  readonly segments: GrowingSegments
  readonly source: WalkSource
  /** Gives work the room it needs on a full disk. */
  readonly withReserve?: <T>(work: () => Promise<T>) => Promise<T>
  /** Digests marked at a time; for tests. */
  readonly marked?: number
}

/** The caller makes sure that nothing is imported or pinned meanwhile. @returns how many blocks went */
export async function collectGarbage(
  store: CollectedStore,
  options: CallOptions & CollectOptions = {},
): Promise<{ removedBlocks: number }> {
  const { leastShare = 0, keep = () => false, signal } = options
  const { index, withReserve = (work) => work() } = store
  if (index.areRootsIncomplete)
    throw new DriveError('NODE_ERROR', 'Garbage was not collected: damage took the list of what is needed.')
  const parts = await partsOf(index, store.marked ?? MARKED)
  const garbageOf = async (part: number): Promise<(digest: Digest) => boolean> => {
    const isInPart = (digest: Digest): boolean => parts === 1 || partOf(digest, parts) === part
    const live = await reachable(store, isInPart, signal)
    return (digest) => isInPart(digest) && !live.has(digest) && !keep(digest)
  }
  const isFirstGarbage = await garbageOf(0)
  // Digests are spread evenly: the first part stands for all.
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

/** In how many parts the digests are marked. The index may say that it has more blocks than it has rows. */
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
 * @param makeRoom gives the room of what was forgotten so far back; on a full disk the index may need it
 * @returns how many blocks the index does not name any more
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

/** A missing leaf is no reason to stop; a missing forest node is, because nobody knows what lies below it. */
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
      'Garbage was not collected: the pinned trees name far more blocks than there are.',
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

/** The root of a version that was replaced and its commit, but not what the version held; see `MOST_FORMER`. */
async function visitVersion(root: Cid, source: WalkSource, visit: (cid: Cid) => void): Promise<void> {
  if (root.codec !== 'dag-pb' || !source.has(root)) return
  try {
    const { commit } = decodeVersionRoot(await source.read(root))
    visit(root)
    visit({ digest: commit, codec: 'raw' })
  } catch (error) {
    // Damaged, or the root of something else: the rest of history is no worse for it.
    if (!isDriveError(error, 'WRONG_BLOCK') && !isDriveError(error, 'CORRUPT')) throw error
  }
}

/**
 * @param isGarbage of one of `parts` parts
 * @returns about which share of the store's bytes is garbage; 0 when that is little
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
