/**
 * The live set of a version another device made: every block that its tree names, with its refcount, and the link
 * table. It is counted from the tree. What the other device's pin tree and refcount table say is only compared with it,
 * because a block that is missing there would be in no pin, and a wrong count would give a block up that is in use.
 */
import { equalBytes, type DriveError, type Log } from '../../base/index.js'
import { readDuplicates, readPinTree, type Commit, type FetchBlock } from '../../dag/index.js'
import { clearTables, pagesOf, rowsIn } from '../../storage/kv/index.js'
import {
  BASE_TABLES,
  countNode,
  countUncounted,
  decodeCount,
  isUnreadablePart,
  MOST_USES,
  putCount,
  type VersionCounter,
} from '../../commits/index.js'
import type { Head, LiveState, SyncState } from '../state/sync-state.js'

export interface LiveImporter {
  readonly state: SyncState
  readonly fetch: FetchBlock
  readonly log: Pick<Log, 'warn'>
}

const ROWS_A_COMMIT = 20_000

/**
 * Required before the first publish on top of that version. Goes on after a failure or a crash.
 * @throws NOT_FOUND when the node has neither a part of the tree nor the pin tree, which also names what is below
 */
export async function importLive(importer: LiveImporter, signal: AbortSignal): Promise<void> {
  const { state } = importer
  const { head, tables, queue } = state
  // The nodes of a plan are in the tables too: the plan is finished first.
  const isDoubted = state.isLiveDoubted && state.plan === undefined
  if (head === undefined || (isComplete(head, state) && !isDoubted)) return
  if (state.live?.step === undefined || !equalBytes(state.live.root, head.root)) await begin(head, state)
  const { commit } = head
  const counter: VersionCounter = { tables, queue, fetch: importer.fetch, onGap: (error) => noteGap(error, state) }
  await countUncounted(counter, signal)
  let { duplicates } = commit
  if (state.live?.step === 'tree') {
    if (duplicates !== undefined && !(await isToBeKept(duplicates, importer, signal))) duplicates = undefined
    if (duplicates !== undefined) countNode(duplicates, 'counts', counter)
    put(state, { step: 'counts' })
    if (duplicates !== commit.duplicates) state.put('head', { ...head, commit: { ...commit, duplicates } })
    await countUncounted(counter, signal)
  }
  await comparePinTree(importer, signal)
  await finish(state)
}

function isComplete({ root }: Head, { live }: SyncState): boolean {
  return live?.isComplete === true && equalBytes(live.root, root)
}

/** If the count is repeated because of a doubt, the nodes this device made stay, perhaps as the only good copies. */
async function begin(head: Head, state: SyncState): Promise<void> {
  const { tables, queue, isLiveDoubted: isAgain } = state
  const cleared = isAgain ? (['live', 'repeated', 'uncounted'] as const) : BASE_TABLES
  state.put('live', { root: head.root, isComplete: false })
  await queue.commit()
  await clearTables(
    queue,
    cleared.map((name) => tables[name]),
  )
  const { root, links } = head.commit
  if (root.content.kind === 'tree') countNode(root.content.ref, 'directory', { tables })
  if (links !== undefined) countNode(links, 'links', { tables })
  if (isAgain) state.put('head', { ...head, forestBits: undefined })
  state.put('isLiveDoubted', false)
  put(state, { step: 'tree' })
  await queue.commit()
}

function put(state: SyncState, change: Partial<LiveState>): void {
  state.put('live', { ...state.live!, ...change })
}

function noteGap(error: DriveError | undefined, state: SyncState): void {
  const isHere = error === undefined || error.code === 'CORRUPT'
  if (state.live?.gap !== 'missing') put(state, { gap: isHere ? 'undecodable' : 'missing' })
}

/**
 * Whether the next version may build on the published table of refcounts: it says what was counted. If a part of the
 * tree was not counted, the table need only be readable.
 */
async function isToBeKept(
  ref: NonNullable<Commit['duplicates']>,
  { state, fetch }: LiveImporter,
  signal: AbortSignal,
): Promise<boolean> {
  const hasGap = state.live?.gap !== undefined
  const counted = rowsIn(state.tables.repeated)
  try {
    for await (const { digest, extraUses } of readDuplicates(ref, fetch, { signal })) {
      if (hasGap) continue
      const row = counted.next().value
      if (row === undefined || !equalBytes(row[0], digest) || decodeCount(row[1]) !== 1 + extraUses) return false
    }
  } catch (error) {
    if (!isUnreadablePart(error)) throw error
    put(state, { isToBeReplaced: true })
    return false
  }
  return hasGap || counted.next().done === true
}

/** Notes whether blocks are missing in the pin tree. Blocks of a part that was not counted are taken from it. */
async function comparePinTree(importer: LiveImporter, signal: AbortSignal): Promise<void> {
  const { state, fetch, log } = importer
  const { head, live, tables, queue } = state
  if (head === undefined) return
  let left = countRows(state)
  try {
    for await (const { digests } of readPinTree(head.commit.forest, fetch, { signal })) {
      for (const digest of digests) {
        if (tables.live.get(digest) !== undefined) left--
        else if (live?.gap !== undefined) putCount(digest, 1, tables)
      }
      if (queue.pendingCount > ROWS_A_COMMIT) await queue.commit()
    }
    if (live?.gap !== undefined) await takeCounts(importer, signal)
  } catch (error) {
    if (!isUnreadablePart(error)) throw error
    // Nobody says what is below the missing part: it would lose its pin.
    if (live?.gap === 'missing') {
      state.put('live', { root: head.root, isComplete: false })
      throw error
    }
    left = 1
  }
  if (left === 0) return
  log.warn('the pin tree of the last version is incomplete; the next version gets a whole one', { blocks: left })
  put(state, { isToBeReplaced: true })
}

/** Of a part that was not counted. */
async function takeCounts({ state, fetch }: LiveImporter, signal: AbortSignal): Promise<void> {
  const { head, tables, queue } = state
  if (head?.commit.duplicates === undefined) return
  for await (const { digest, extraUses } of readDuplicates(head.commit.duplicates, fetch, { signal })) {
    const uses = decodeCount(tables.live.get(digest))
    // A block that the version does not have cannot be pinned.
    if (uses > 0 && uses < 1 + extraUses) putCount(digest, Math.min(1 + extraUses, MOST_USES), tables)
    if (queue.pendingCount > ROWS_A_COMMIT) await queue.commit()
  }
}

/** The depth of the next pin tree follows from the number of live blocks, so it is counted too. */
async function finish(state: SyncState): Promise<void> {
  const { head, live } = state
  if (head === undefined) return
  const liveBlocks = countRows(state)
  if (liveBlocks !== head.commit.liveBlocks) state.put('head', { ...head, commit: { ...head.commit, liveBlocks } })
  state.put('live', {
    root: head.root,
    isComplete: true,
    ...(live?.isToBeReplaced === true && { isToBeReplaced: true }),
  })
  await state.queue.commit()
}

function countRows({ tables }: SyncState): number {
  let rows = 0
  for (const page of pagesOf(tables.live)) rows += page.length
  return rows
}
