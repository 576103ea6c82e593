/**
 * Establishes the preconditions of a build: the base version is known and no other device has built on it, its live set
 * is complete, and our slot is claimed.
 */
import { DriveError, equalBytes } from '../../base/index.js'
import { hideUnreadableNames } from '../../commits/index.js'
import { checkHeads, type CheckedHeads, type HeadChecker } from '../heads/check-heads.js'
import type { OpenedDrive } from '../contract.js'
import { TreeView } from '../../tree-state/index.js'
import { ROOT_INO } from '../../model/index.js'
import { findVersion } from '../fetch/open-existing.js'
import { claimSlot, type SlotClaimer } from './claim-slot.js'
import { importLive } from './import-live.js'
import type { EntryRecord } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { EnvironmentReader } from '../../storage/kv/index.js'
import type { SyncState } from '../state/sync-state.js'

export interface Preparer extends HeadChecker {
  readonly node: IpfsNode
  readonly notices: SlotClaimer['notices']
  readonly meta: EnvironmentReader
  /** See `CheckOptions`. */
  readonly mayBeBehind: boolean
}

/**
 * Stores the base of a device that opened an existing drive. It is stored at once, so that a restart uses it too. Rows
 * of an earlier program get the keys of this one.
 */
export async function beginAt(start: OpenedDrive | undefined, deviceSlot: number, state: SyncState): Promise<void> {
  await hideUnreadableNames(state.tables, state.queue)
  if (start === undefined || state.head !== undefined) return
  const { version, nameSequence, namedRoot, devices } = start
  state.put('head', { ...version, nameSequence, namedRoot, sequence: 0, forestBits: undefined })
  state.put(
    'devices',
    devices.filter(({ slot }) => slot !== deviceSlot),
  )
  await state.queue.commit()
}

/** If a newer version exists, nothing may be built on ours, so its live set is not read. */
export async function prepare(preparer: Preparer, signal: AbortSignal): Promise<CheckedHeads> {
  const { state, fetch } = preparer
  if (state.head === undefined) await recoverHead(preparer, signal)
  const heads = await checkHeads(preparer, { signal, mayBeBehind: preparer.mayBeBehind })
  // Needed even if a newer version exists: until this device has a head, another device may take its slot. On another
  // node, the version must be there first; see requireHeld.
  if (heads.newer !== undefined || !preparer.mayBeBehind) await claimSlot(preparer, heads, signal)
  if (heads.newer !== undefined) return heads
  await importLive({ state, fetch, log: preparer.log }, signal)
  return heads
}

/**
 * Sync's environment was lost, or the device stopped before the first write to it. The node's head is our base if the
 * local tree has the same root directory with the same published content. Otherwise nothing is changed.
 */
async function recoverHead(preparer: Preparer, signal: AbortSignal): Promise<void> {
  const { state, meta, log } = preparer
  const { plan } = state
  const found = await findVersion(preparer, { signal, lenient: publishedSequence(meta) === 0 })
  if (found === undefined) return
  const { version, nameSequence, namedRoot } = found
  // The first version of this device: its names moved, but it was not settled.
  if (plan !== undefined && equalBytes(version.root, plan.version.root)) return
  const { commit } = version
  const sequence = sequenceOfRoot(commit.root, meta)
  if (sequence === undefined) {
    throw new DriveError(
      'DIVERGED',
      'The node already holds a version of this drive that this device is not based on. Nothing was overwritten; local changes stay staged on this device.',
    )
  }
  log.warn('the upload queue starts from the version the node holds', { height: commit.height })
  state.put('head', { ...version, nameSequence, namedRoot, sequence, forestBits: undefined })
  await state.queue.commit()
}

function publishedSequence(meta: EnvironmentReader): number {
  const view = new TreeView(meta.snapshot())
  try {
    return view.published
  } finally {
    view.close()
  }
}

/** The sequence at which the local tree was last published, if its root is that of the version. */
function sequenceOfRoot(root: EntryRecord, meta: EnvironmentReader): number | undefined {
  const view = new TreeView(meta.snapshot())
  try {
    const own = view.inode(ROOT_INO)
    if (own === undefined || !equalBytes(own.fileId, root.fileId)) return undefined
    const [here, there] = [own.ref?.digest, root.content.kind === 'tree' ? root.content.ref.digest : undefined]
    const isSame = here === undefined || there === undefined ? here === there : equalBytes(here, there)
    return isSame ? view.published : undefined
  } finally {
    view.close()
  }
}
