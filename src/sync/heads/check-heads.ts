/**
 * What the node's heads are to this device: its own, newer ones that descend from it, or ones that are not ours to replace. Heads are
 * only ever replaced by versions that descend from them.
 */
import { DriveError, isDriveError, type Digest, type DriveErrorCode, type Log } from '../../base/index.js'
import { driveSequence, splitDriveSequence, type FetchBlock } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import { relationOf, type Relation } from '../../commits/index.js'
import type { KnownHead, Newer, Version } from '../contract.js'
import type { DriveNames, NamedHead } from './heads.js'
import { diverged, rolledBack } from './refusals.js'
import type { SyncState } from '../state/sync-state.js'

export interface HeadChecker {
  readonly state: SyncState
  readonly node: Pick<IpfsNode, 'getName'>
  readonly names: DriveNames
  readonly deviceSlot: number
  readonly fetch: FetchBlock
  readonly log: Log
}

export interface CheckedHeads {
  /** The node knows the drive name. */
  readonly isKnown: boolean
  /** What the drive name says. */
  readonly named: NamedHead | undefined
  /** Another device went on from our version: the newest that does. */
  readonly newer: Newer | undefined
  /** Every device head known of, as it is now. */
  readonly devices: readonly KnownHead[]
}

/** @throws DIVERGED when a head does not follow ours, ROLLED_BACK when the node shows an older head than was seen */
export async function checkHeads(checker: HeadChecker, signal?: AbortSignal): Promise<CheckedHeads> {
  const { state, names, node, deviceSlot } = checker
  const named = await names.read(names.drive, node, { signal, lenient: state.head === undefined })
  const candidates: Newer[] = []
  const note = (newer: Newer | undefined): void => {
    if (newer !== undefined) candidates.push(newer)
  }
  if (named !== undefined) note(await checkDriveName(named, checker, signal))
  const devices: KnownHead[] = []
  const own = await names.read(names.device(deviceSlot), node, { signal, lenient: true })
  if (own !== undefined) {
    await checkOwnName(own, checker, signal)
    devices.push({ slot: deviceSlot, sequence: own.sequence, root: own.root })
  }
  for (const device of state.devices) {
    if (device.slot === deviceSlot) continue
    const now = await names.read(names.device(device.slot), node, { signal, lenient: true })
    devices.push(now === undefined ? device : { slot: device.slot, sequence: now.sequence, root: now.root })
    if (now === undefined || same(now.root, device.root)) continue
    if (now.sequence < device.sequence) throw rolledBack('the head of another device')
    // Built on since, or lost to the drive name; it need not be on the node any more. As for a device that opens the drive.
    const heights = [state.head, ...candidates.map(({ version }) => version)].map((it) => it?.commit.height ?? 0)
    if (splitDriveSequence(now.sequence).height <= Math.max(...heights)) continue
    note(await follow(now, checker, signal))
  }
  // Of two versions of one height the drive name's, which comes first, is the one that counts.
  const newer = candidates.toSorted((a, b) => b.version.commit.height - a.version.commit.height)[0]
  return { isKnown: named !== undefined, named, newer, devices }
}

async function checkDriveName(now: NamedHead, checker: HeadChecker, signal?: AbortSignal): Promise<Newer | undefined> {
  const { head } = checker.state
  if (isOurs(now.root, checker.state) || (head !== undefined && same(now.root, head.namedRoot))) return undefined
  if (head !== undefined && now.sequence < head.nameSequence) throw rolledBack('the drive name')
  return follow(now, checker, signal)
}

/** Our own head name has one writer, this device; it stays behind while others' versions are taken over. */
async function checkOwnName(now: NamedHead, checker: HeadChecker, signal?: AbortSignal): Promise<void> {
  const { state, deviceSlot } = checker
  const { head } = state
  if (isOurs(now.root, state)) return
  const left =
    head?.commit.deviceSlot === deviceSlot ? undefined : state.devices.find(({ slot }) => slot === deviceSlot)
  if (left !== undefined && same(now.root, left.root)) return
  const seen = left?.sequence ?? (head && driveSequence(head.commit.height, deviceSlot))
  if (seen !== undefined && now.sequence < seen) throw rolledBack('the head of this device')
  const { who, about, relation } = await judge(now, checker, signal)
  if (relation === 'older' && left !== undefined) return
  throw diverged(who, 'two copies of a device can not go on from each other', about)
}

/** A head that moved: undefined when we have it, the newer version when it descends from ours. */
async function follow(now: NamedHead, checker: HeadChecker, signal?: AbortSignal): Promise<Newer | undefined> {
  if (isOurs(now.root, checker.state)) return undefined
  const { who, about, relation, version } = await judge(now, checker, signal)
  if (relation === 'newer') return { version: version!, who }
  // What our version is built on was published by somebody: their head may still be there.
  if (relation === 'older') return undefined
  throw diverged(who, "they do not follow this device's version, or the node can not show that they do", about)
}

interface Judged {
  readonly version: Version | undefined
  readonly relation: Relation
  readonly who: string
  readonly about: Readonly<Record<string, string | number>>
}

async function judge(now: NamedHead, checker: HeadChecker, signal?: AbortSignal): Promise<Judged> {
  const { names, fetch, deviceSlot, state } = checker
  const about = { sequence: now.sequence }
  try {
    const version = await names.openVersion(now.root, fetch, signal)
    const { height, deviceSlot: slot, deviceName } = version.commit
    if (splitDriveSequence(now.sequence).height !== height) {
      throw new DriveError('CORRUPT', 'A name of the drive and the version it names do not fit each other.')
    }
    const { head } = state
    return {
      version,
      relation: head === undefined ? 'unknown' : await relationOf(version, head, checker, signal),
      who: slot === deviceSlot ? 'Another copy of this device' : `Device ${JSON.stringify(deviceName)}`,
      about: { ...about, height, deviceSlot: slot },
    }
  } catch (error) {
    if (isDriveError(error) && PASSING.has(error.code)) throw error
    // Its blocks may be missing or unreadable; the head is refused either way.
    return { version: undefined, relation: 'unknown', who: 'Another device', about }
  }
}

/** Failures that say nothing about the head. */
const PASSING: ReadonlySet<DriveErrorCode> = new Set(['OFFLINE', 'ABORTED', 'TIMEOUT', 'NODE_BUSY', 'NODE_DENIED'])

/** The version we are based on, or the one we are publishing (a crash may have come after its names were put). */
function isOurs(root: Digest, { head, plan }: SyncState): boolean {
  return (head !== undefined && same(root, head.root)) || (plan !== undefined && same(root, plan.version.root))
}

function same(a: Digest, b: Digest): boolean {
  return Buffer.compare(a, b) === 0
}
