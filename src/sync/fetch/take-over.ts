/**
 * A home that has nothing of its own to publish takes over what another device published on top of its version. Only
 * while no tree is open. The steps, each durable before the next and each repeated after a crash: what is taken over is
 * written down; the caller makes tree and block index anew for it; sync's tables follow, and the note goes, in one
 * commit. Before the first step all is old, after it all is new.
 */
import { DriveError, isDriveError, throwIfAborted, type Clock, type Log } from '../../base/index.js'
import type { DriveKeys } from '../../crypto/index.js'
import { driveSequence } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { Core } from '../../pipeline/index.js'
import { type Environment, clearTables } from '../../storage/kv/index.js'
import { basesAfter, BASE_TABLES, PLAN_TABLES } from '../../commits/index.js'
import { ROOT_INO } from '../../model/index.js'
import { checkHeads, type CheckedHeads } from '../heads/check-heads.js'
import { DEFAULT_SETTINGS, type KnownHead, type Newer, type FastForward } from '../contract.js'
import { TreeView } from '../../tree-state/index.js'
import { DriveNames } from '../heads/heads.js'
import { nodeIdentity } from '../schedule/node-health.js'
import { NodeReader } from './node-reader.js'
import { rememberHead, SyncState, type Head } from '../state/sync-state.js'

export interface TakeOverOptions {
  /** Sync's own environment. */
  readonly queue: Environment
  /** Opens the drive's metadata, where it needs them; they are closed again before it is done. */
  readonly openMeta: () => Environment
  readonly node: IpfsNode
  readonly keys: DriveKeys
  readonly deviceSlot: number
  readonly core: Core
  readonly clock: Clock
  readonly log: Log
  /** Ends the search on the node; a take-over that has begun goes on without it. */
  readonly signal: AbortSignal
}

/**
 * What to make the tree of: the root of a version that was begun to be taken over, or of a newer one on the node that
 * descends from ours. Undefined when there is none, or something here is unpublished. Rejects when the node cannot
 * tell; then all is as before.
 */
export async function beginTakeOver(options: TakeOverOptions): Promise<FastForward | undefined> {
  const state = new SyncState(options.queue)
  const { head, takeOver: begun } = state
  if (head === undefined) return undefined
  const hasChanges = state.plan !== undefined || !(await isPublished(options, begun !== undefined))
  if (begun !== undefined) return hasChanges ? forget(state, options.log) : begun
  if (hasChanges) return undefined
  const { node, core, clock, keys, deviceSlot, log, signal } = options
  const { concurrentFetches, offlineMs } = DEFAULT_SETTINGS
  const reader = new NodeReader({ node, core, clock, concurrentFetches, offlineMs })
  try {
    const checker = { state, node, names: new DriveNames(keys), deviceSlot, fetch: reader.fetch, log }
    const heads = await checkHeads(checker, { signal }).catch(async (error: unknown) => {
      // Older heads are no roll-back on a node that the drive has just moved to.
      if (!isDriveError(error, 'ROLLED_BACK')) throw error
      if (!state.isHeldElsewhere(nodeIdentity(await node.check({ signal })))) throw error
      return checkHeads(checker, { signal, mayBeBehind: true })
    })
    if (heads.newer === undefined) return undefined
    const { content } = heads.newer.version.commit.root
    // A version whose first directory cannot be had is no use.
    if (content.kind === 'tree') await reader.fetch(content.ref.digest, 'raw', signal)
    throwIfAborted(signal)
    return await writeDown(heads.newer, heads, head, state, deviceSlot)
  } finally {
    reader.close()
  }
}

async function writeDown(
  { version }: Newer,
  { named, devices }: CheckedHeads,
  head: Head,
  state: SyncState,
  deviceSlot: number,
): Promise<FastForward> {
  const { height, deviceSlot: author } = version.commit
  const own = devices.find(({ slot }) => slot === deviceSlot) ?? ownHead(head, state, deviceSlot)
  const others = devices.filter(({ slot }) => slot !== deviceSlot && slot !== author)
  const takeOver: FastForward = {
    version,
    nameSequence: named?.sequence ?? head.nameSequence,
    namedRoot: named?.root ?? head.namedRoot,
    devices: [
      ...others,
      { slot: author, sequence: driveSequence(height, author), root: version.root },
      ...(own ? [own] : []),
    ],
  }
  state.put('takeOver', takeOver)
  try {
    await state.queue.commit()
  } catch (error) {
    // The home goes on as it is: this must not become durable together with something later.
    state.put('takeOver', undefined)
    throw error
  }
  return takeOver
}

/** Cannot be, as nothing is changed between the steps. If it is, no change is worth less than a newer version. */
async function forget(state: SyncState, log: Log): Promise<undefined> {
  log.error('a version was begun to be taken over, and yet there are unpublished changes; they stay')
  state.put('takeOver', undefined)
  await state.queue.commit()
}

/** Where the node does not say: our own head name is at the last version we published, or where it stood before. */
function ownHead(head: Head, state: SyncState, deviceSlot: number): KnownHead | undefined {
  if (head.commit.deviceSlot !== deviceSlot) return state.devices.find(({ slot }) => slot === deviceSlot)
  return { slot: deviceSlot, sequence: driveSequence(head.commit.height, deviceSlot), root: head.root }
}

/** Everything in the tree is in the published version. Rows of `removed` alone are only accounts of blocks. */
async function isPublished({ openMeta }: TakeOverOptions, mayBeGone: boolean): Promise<boolean> {
  const meta = openMeta()
  const view = new TreeView({ table: (name, how) => meta.table(name, how), close: () => undefined })
  try {
    return (mayBeGone || view.inode(ROOT_INO) !== undefined) && !view.hasChanges
  } finally {
    await meta.close()
  }
}

/** A version was begun to be taken over: the tree of the one before may be gone. */
export function isTakingOver(queue: Environment): boolean {
  return new SyncState(queue).takeOver !== undefined
}

/** The tree and the block index were made anew, durably: sync follows. */
export async function finishTakeOver(queue: Environment): Promise<void> {
  const state = new SyncState(queue)
  const { takeOver, tables, head } = state
  if (takeOver === undefined) throw new DriveError('INTERNAL', 'There is no version to take over.')
  await clearTables(
    queue,
    [...PLAN_TABLES, ...BASE_TABLES].map((name) => tables[name]),
  )
  const { version, nameSequence, namedRoot, devices } = takeOver
  state.put('head', { ...version, nameSequence, namedRoot, sequence: 0, forestBits: undefined })
  if (head !== undefined) rememberHead(head.root, state)
  state.put('devices', devices)
  state.put('bases', basesAfter(version, state.bases))
  state.put('live', { root: version.root, isComplete: false })
  state.put('takeOver', undefined)
  await queue.commit()
}
