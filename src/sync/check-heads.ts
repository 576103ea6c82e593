/**
 * Before anything is published: does the node know a head that is not ours to replace? Heads are only ever replaced by versions that
 * descend from them.
 */
import { DriveError, type Digest, type Log } from '../base/index.js'
import { driveSequence, type FetchBlock } from '../dag/index.js'
import type { IpfsNode } from '../node/index.js'
import type { DriveNames, NamedHead } from './heads.js'
import type { SyncState } from './sync-state.js'

export interface HeadChecker {
  readonly state: SyncState
  readonly node: Pick<IpfsNode, 'getName'>
  readonly names: DriveNames
  readonly deviceSlot: number
  readonly fetch: FetchBlock
  readonly log: Log
}

/**
 * @returns whether the node knows the drive name
 * @throws DIVERGED when another device published something this one does not have, ROLLED_BACK when the node shows an older head
 */
export async function checkHeads(checker: HeadChecker, signal?: AbortSignal): Promise<boolean> {
  const { state, names, node, deviceSlot } = checker
  const named = await names.read(names.drive, node, { signal, lenient: state.head === undefined })
  if (named !== undefined) await checkDriveName(named, checker, signal)
  await checkOwnName(await names.read(names.device(deviceSlot), node, { signal, lenient: true }), checker, signal)
  for (const device of state.devices) {
    if (device.slot === deviceSlot) continue
    const now = await names.read(names.device(device.slot), node, { signal, lenient: true })
    if (now === undefined || same(now.root, device.root)) continue
    if (now.sequence < device.sequence) throw rolledBack('the head of another device')
    throw await diverged(now, checker, signal)
  }
  return named !== undefined
}

async function checkDriveName(now: NamedHead, checker: HeadChecker, signal?: AbortSignal): Promise<void> {
  const { state } = checker
  const { head } = state
  if (isOurs(now.root, state) || (head !== undefined && same(now.root, head.namedRoot))) return
  if (head !== undefined && now.sequence < head.nameSequence) throw rolledBack('the drive name')
  throw await diverged(now, checker, signal)
}

/** Our own head name has one writer, this device; at an opened drive it may still say where the device began. */
async function checkOwnName(now: NamedHead | undefined, checker: HeadChecker, signal?: AbortSignal): Promise<void> {
  const { state, deviceSlot } = checker
  if (now === undefined || isOurs(now.root, state)) return
  const { head } = state
  if (head !== undefined && now.sequence < driveSequence(head.commit.height, deviceSlot)) {
    throw rolledBack('the head of this device')
  }
  throw await diverged(now, checker, signal)
}

/** The version we are based on, or the one we are publishing (a crash may have come after its names were put). */
function isOurs(root: Digest, { head, plan }: SyncState): boolean {
  return (head !== undefined && same(root, head.root)) || (plan !== undefined && same(root, plan.version.root))
}

function rolledBack(what: string): DriveError {
  return new DriveError(
    'ROLLED_BACK',
    `The node shows an older version of ${what} than this device has seen. Nothing was changed there; local changes stay staged. ` +
      'If the node was restored from a backup, see docs/RECOVERY.md.',
  )
}

async function diverged(now: NamedHead, checker: HeadChecker, signal?: AbortSignal): Promise<DriveError> {
  const { names, fetch, deviceSlot } = checker
  const about: Record<string, string | number> = { sequence: now.sequence }
  let who = 'Another device'
  try {
    const { commit } = await names.openVersion(now.root, fetch, signal)
    about.height = commit.height
    about.deviceSlot = commit.deviceSlot
    who =
      commit.deviceSlot === deviceSlot ? 'Another copy of this device' : `Device ${JSON.stringify(commit.deviceName)}`
  } catch {
    // Its blocks may be missing or unreadable; the head is refused either way.
  }
  return new DriveError(
    'DIVERGED',
    `${who} has published changes this device does not have. Nothing was overwritten; local changes stay staged on this device.`,
    { about },
  )
}

function same(a: Digest, b: Digest): boolean {
  return Buffer.compare(a, b) === 0
}
