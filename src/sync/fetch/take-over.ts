/**
 * Fast-forward: a home without unpublished changes takes over a version that another device published on top of its
 * own. Only while no tree is open. The steps, each durable before the next, and each repeated after a crash:
 * 1. the new version is recorded in `takeOver`;
 * 2. this device's head moves to it, so that no node collects it, whatever others publish;
 * 3. the caller rebuilds tree and block index for it;
 * 4. sync's tables are updated, and `takeOver` is deleted, in one commit.
 * Before the first step the old version is in place. Afterwards the new one is, or a newer one that the node shows when
 * the steps are repeated: the node may have collected the recorded one by then.
 */
import { DriveError, isDriveError, throwIfAborted, toWire, type Clock, type Log } from '../../base/index.js'
import type { DriveKeys } from '../../crypto/index.js'
import { cidOf, driveSequence } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { Core } from '../../pipeline/index.js'
import { type Environment, clearTables } from '../../storage/kv/index.js'
import { basesAfter, BASE_TABLES, ENTRY_TABLES, PLAN_TABLES } from '../../commits/index.js'
import { ROOT_INO } from '../../model/index.js'
import { checkHeads, type CheckedHeads } from '../heads/check-heads.js'
import { DEFAULT_SETTINGS, type KnownHead, type Newer, type FastForward } from '../contract.js'
import { TreeView } from '../../tree-state/index.js'
import { DriveNames } from '../heads/drive-names.js'
import { recordIfBehind } from '../publish/claim-slot.js'
import { putName } from '../publish/put-name.js'
import { nodeIdentity } from '../schedule/node-health.js'
import { NodeReader } from './node-reader.js'
import { requireReadableRoot } from '../lying-node/missing-root.js'
import { rememberHead, SyncState, type Head } from '../state/sync-state.js'

export interface TakeOverOptions {
  /** Sync's own environment. */
  readonly queue: Environment
  /** Opens the drive's metadata when they are needed; they are closed again before this module is done. */
  readonly openMeta: () => Environment
  readonly node: IpfsNode
  readonly keys: DriveKeys
  readonly deviceSlot: number
  readonly core: Core
  readonly clock: Clock
  readonly log: Log
  /** Cancels the search on the node. A fast-forward that has begun continues without it. */
  readonly signal: AbortSignal
}

/**
 * @returns the version to rebuild the tree from: the newest one on the node that descends from this device's version,
 * or that of an interrupted fast-forward. Undefined if there is none, or if this device has unpublished changes
 * @throws if the node cannot answer and no fast-forward has started; then nothing has changed
 */
export async function beginTakeOver(options: TakeOverOptions): Promise<FastForward | undefined> {
  const state = new SyncState(options.queue)
  const { head, takeOver: begun } = state
  if (head === undefined) return undefined
  const hasChanges = state.plan !== undefined || !(await isPublished(options, begun !== undefined))
  if (hasChanges) return begun === undefined ? undefined : forget(state, options.log)
  try {
    const found = (await findNewer(options, state, head)) ?? begun
    if (found !== undefined) await claim(options, found)
    return found
  } catch (error) {
    if (begun === undefined) throw error
    options.log.warn('an interrupted fast-forward continues without the node', { code: toWire(error).code })
    return begun
  }
}

/** Records the newest version on the node that descends from this device's version, if there is one. */
async function findNewer(options: TakeOverOptions, state: SyncState, head: Head): Promise<FastForward | undefined> {
  const { node, core, clock, keys, deviceSlot, log, signal } = options
  const { concurrentFetches, offlineMs } = DEFAULT_SETTINGS
  const reader = new NodeReader({ node, core, clock, concurrentFetches, offlineMs })
  try {
    const checker = { state, node, names: new DriveNames(keys), deviceSlot, fetch: reader.fetch, log }
    const heads = await checkHeads(checker, { signal }).catch(async (error: unknown) => {
      // The drive has just moved to this node: an older head here is no rollback.
      if (!isDriveError(error, 'ROLLED_BACK')) throw error
      if (!state.isHeldElsewhere(nodeIdentity(await node.check({ signal })))) throw error
      return checkHeads(checker, { signal, mayBeBehind: true })
    })
    if (heads.newer === undefined) return undefined
    // A version that cannot be shown is not taken over.
    await requireReadableRoot(heads.newer.version.commit, reader.fetch, signal)
    throwIfAborted(signal)
    return await writeDown(heads.newer, heads, head, state, deviceSlot)
  } finally {
    reader.close()
  }
}

/**
 * Moves this device's head. Otherwise the version is on the node only until other devices have published. If it fails,
 * the head is behind, and sync moves it later (see claim-slot.ts).
 */
async function claim(
  { node, keys, deviceSlot, log, signal }: TakeOverOptions,
  { version }: FastForward,
): Promise<void> {
  const names = new DriveNames(keys)
  try {
    const record = await recordIfBehind(version, { names, node, deviceSlot }, { signal })
    if (record === undefined) return
    // An interrupted fast-forward may have started at another node.
    await node.getBlock(cidOf(version.root, 'dag-pb'), { signal })
    await putName(names.device(deviceSlot), record, { names, node }, signal)
  } catch (error) {
    log.warn("this device's head does not point to the new version yet", { code: toWire(error).code })
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
  const before = state.takeOver
  state.put('takeOver', takeOver)
  try {
    await state.queue.commit()
  } catch (error) {
    // The home keeps its version: a later commit must not make this record durable.
    state.put('takeOver', before)
    throw error
  }
  return takeOver
}

/**
 * Impossible, because nothing changes between the steps. If it happens, the changes are worth more than a newer
 * version.
 */
async function forget(state: SyncState, log: Log): Promise<undefined> {
  log.error('fast-forward aborted: this device has unpublished changes')
  state.put('takeOver', undefined)
  await state.queue.commit()
}

/**
 * Used when the node does not show our head: it is at the last version we published, or at its last recorded position.
 */
function ownHead(head: Head, state: SyncState, deviceSlot: number): KnownHead | undefined {
  if (head.commit.deviceSlot !== deviceSlot) return state.devices.find(({ slot }) => slot === deviceSlot)
  return { slot: deviceSlot, sequence: driveSequence(head.commit.height, deviceSlot), root: head.root }
}

/**
 * Everything in the tree is in the published version. Rows in `removed` alone are only block accounting, not changes.
 */
async function isPublished({ openMeta }: TakeOverOptions, mayBeGone: boolean): Promise<boolean> {
  const meta = openMeta()
  const view = new TreeView({ table: (name, how) => meta.table(name, how), close: () => undefined })
  try {
    return (mayBeGone || view.inode(ROOT_INO) !== undefined) && !view.hasChanges
  } finally {
    await meta.close()
  }
}

/** A fast-forward has begun: the tree of the old version may be gone. */
export function isTakingOver(queue: Environment): boolean {
  return new SyncState(queue).takeOver !== undefined
}

/** Completes a fast-forward in sync's tables, after tree and block index were durably rebuilt. */
export async function finishTakeOver(queue: Environment): Promise<void> {
  const state = new SyncState(queue)
  const { takeOver, tables, head } = state
  if (takeOver === undefined) throw new DriveError('INTERNAL', 'There is no version to take over.')
  await clearTables(
    queue,
    [...PLAN_TABLES, ...BASE_TABLES, ...ENTRY_TABLES].map((name) => tables[name]),
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
