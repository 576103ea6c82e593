/** What must hold before a commit is built: the base version is known and ours to continue, its live set is complete, our slot is claimed. */
import { DriveError, equalBytes } from '../base/index.js'
import { checkHeads, type HeadChecker } from './check-heads.js'
import type { OpenedDrive } from './contract.js'
import { DriveView } from './drive-view.js'
import { ROOT_INO } from './entry-of.js'
import { importLive } from './import-live.js'
import type { IpfsNode } from '../node/index.js'
import type { EnvironmentReader } from '../store/index.js'
import type { Head, SyncState } from './sync-state.js'

export interface Preparer extends HeadChecker {
  readonly node: IpfsNode
  readonly meta: EnvironmentReader
}

/** The base of a device that opened an existing drive; kept at once, so that a restart begins there too. */
export async function beginAt(start: OpenedDrive | undefined, deviceSlot: number, state: SyncState): Promise<void> {
  if (start === undefined || state.head !== undefined) return
  const { version, nameSequence, namedRoot, devices } = start
  state.put('head', { ...version, nameSequence, namedRoot, sequence: 0, records: undefined, forestBits: undefined })
  state.put(
    'devices',
    devices.filter(({ slot }) => slot !== deviceSlot),
  )
  await state.queue.commit()
}

/** @returns whether the node knows the drive */
export async function prepare(preparer: Preparer, signal: AbortSignal): Promise<boolean> {
  const { state, fetch } = preparer
  if (state.head === undefined) await recoverHead(preparer, signal)
  const isKnown = await checkHeads(preparer, signal)
  await claimSlot(preparer, signal)
  await importLive(state, fetch, signal)
  return isKnown
}

/**
 * Sync's own environment was lost. The node's head is still our base when this device made it and the tree here is marked as published
 * with the same root; anything else is left alone.
 */
async function recoverHead(preparer: Preparer, signal: AbortSignal): Promise<void> {
  const { state, names, node, fetch, deviceSlot, meta, log } = preparer
  const named = await names.read(names.drive, node, signal)
  if (named === undefined) return
  const version = await names.openVersion(named.root, fetch, signal)
  const { commit } = version
  const view = new DriveView(meta.snapshot())
  let sequence: number
  let rootRef: Uint8Array | undefined
  try {
    sequence = view.published
    rootRef = view.inode(ROOT_INO)?.ref?.digest
  } finally {
    view.close()
  }
  const { content } = commit.root
  const isSameRoot =
    content.kind === 'tree' ? rootRef !== undefined && equalBytes(rootRef, content.ref.digest) : rootRef === undefined
  if (commit.deviceSlot !== deviceSlot || sequence === 0 || !isSameRoot) {
    throw new DriveError(
      'DIVERGED',
      'The node already holds a version of this drive that this device did not begin from. Nothing was overwritten; local changes stay staged on this device.',
    )
  }
  log.warn('the upload queue was lost; it begins again at the published version', { height: commit.height })
  const head: Head = {
    ...version,
    nameSequence: named.sequence,
    namedRoot: named.root,
    sequence,
    records: names.makeRecords(version.root, commit),
    forestBits: undefined,
  }
  state.put('head', head)
  await state.queue.commit()
}

/** A device that opened a drive puts a head of its own at the version it began from, so that the next device takes another slot. */
async function claimSlot(preparer: Preparer, signal: AbortSignal): Promise<void> {
  const { state, names, node, deviceSlot } = preparer
  const { head, plan } = state
  if (head === undefined || head.records !== undefined || plan !== undefined) return
  const name = names.device(deviceSlot)
  if ((await names.read(name, node, signal)) !== undefined) return
  const { height, timeMs } = head.commit
  await node.putName(name, names.makeRecords(head.root, { height, timeMs, deviceSlot }).device, { signal })
}
