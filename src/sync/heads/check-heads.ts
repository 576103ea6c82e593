/**
 * Compares the node's heads with this device's version: equal, ahead of it, or diverged from it. A head is replaced
 * only by a version that descends from it.
 */
import { isDriveError, type Digest, type DriveErrorCode, type Log } from '../../base/index.js'
import { driveSequence, splitDriveSequence, type FetchBlock } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import { relationOf, type Relation } from '../../commits/index.js'
import type { KnownHead, Newer, Version } from '../contract.js'
import type { DriveNames, NamedHead } from './drive-names.js'
import { readHeads } from './read-heads.js'
import { isBeyondReach, isCredible, isForged, type IgnoredHead } from './credible.js'
import { Incredible, Missing } from './head-faults.js'
import { requireNotOlder } from '../lying-node/older-names.js'
import { diverged } from './refusals.js'
import type { SyncState } from '../state/sync-state.js'

export interface HeadChecker {
  readonly state: SyncState
  readonly node: Pick<IpfsNode, 'getName' | 'missing'>
  readonly names: DriveNames
  readonly deviceSlot: number
  readonly fetch: FetchBlock
  readonly log: Log
}

export interface CheckedHeads {
  /** The node knows the drive name. */
  readonly isKnown: boolean
  /** The target of the drive name; undefined also when that head is ignored. */
  readonly named: NamedHead | undefined
  /** Heads that fail the checks of credible.ts. If the drive name is among them, it cannot be moved. */
  readonly ignored: readonly IgnoredHead[]
  /** Every name that was read. */
  readonly names: ReadonlySet<IgnoredHead['name']>
  /** Remote ahead: the newest version that another device published on top of ours. */
  readonly newer: Newer | undefined
  /** Every head that descends from our version, the newest first. */
  readonly ahead: readonly Newer[]
  /** Every known device head, as it is now. */
  readonly devices: readonly KnownHead[]
}

export interface CheckOptions {
  readonly signal?: AbortSignal | undefined
  /** Also looks for unknown devices, and reports every head that is ahead, not only the newest. */
  readonly all?: boolean
  /** This node never confirmed our version, so an older head on it is no rollback. */
  readonly mayBeBehind?: boolean
}

/** @throws DIVERGED when a head does not follow ours, ROLLED_BACK when the node shows an older head than was seen */
export async function checkHeads(checker: HeadChecker, options: CheckOptions = {}): Promise<CheckedHeads> {
  const { state, deviceSlot } = checker
  const heads = await readHeads(checker, options)
  const ahead: Newer[] = []
  const note = (newer: Newer | undefined): void => {
    if (newer !== undefined) ahead.push(newer)
  }
  const ignored: IgnoredHead[] = [...heads.unusable]
  const missing: Missing[] = []
  /** @returns undefined when the head is ignored */
  const counting = async <T>(
    name: IgnoredHead['name'],
    now: NamedHead,
    check: () => Promise<T>,
  ): Promise<T | undefined> => {
    try {
      return await check()
    } catch (error) {
      if (error instanceof Missing) missing.push(error)
      else if (!(error instanceof Incredible)) throw error
      ignored.push({ name, sequence: now.sequence })
      return undefined
    }
  }
  let { named } = heads
  if (named !== undefined) {
    const now = named
    note(await counting('drive', now, () => checkDriveName(now, checker, options)))
    if (ignored.some(({ name }) => name === 'drive')) named = undefined
  }
  const devices: KnownHead[] = []
  const own = heads.devices.get(deviceSlot)
  if (own !== undefined) {
    await counting(deviceSlot, own, () => checkOwnName(own, checker, options))
    devices.push({ slot: deviceSlot, ...own })
  }
  for (const [slot, now] of heads.devices) {
    if (slot === deviceSlot) continue
    const device = state.devices.find((one) => one.slot === slot)
    const known = now ?? device
    if (known !== undefined) devices.push({ slot, sequence: known.sequence, root: known.root })
    if (now === undefined || (device !== undefined && same(now.root, device.root))) continue
    const moved = { now: now.sequence, seen: device?.sequence }
    requireNotOlder('the head of another device', moved, options.mayBeBehind)
    // This head was superseded by another version, or lost the race for the drive name. Its blocks may be gone from the
    // node. A device that opens the drive skips such heads too.
    const passed = [state.head, ...(options.all === true ? [] : ahead.map(({ version }) => version))]
    const heights = passed.map((it) => it?.commit.height ?? 0)
    if (splitDriveSequence(now.sequence).height <= Math.max(...heights)) continue
    note(await counting(slot, now, () => follow(now, false, checker, options)))
  }
  const newest = Math.max(
    0,
    ...[state.head, ...ahead.map(({ version }) => version)].map((it) => it?.commit.height ?? 0),
  )
  const lost = missing.find(({ height }) => height > newest)
  if (lost !== undefined) throw lost.refusal
  // Of two versions with the same height, the one that the drive name points to wins. It comes first here.
  ahead.sort((a, b) => b.version.commit.height - a.version.commit.height)
  return {
    isKnown: heads.named !== undefined || heads.unusable.some(({ name }) => name === 'drive'),
    named,
    ignored,
    names: new Set<IgnoredHead['name']>(['drive', ...heads.devices.keys()]),
    newer: ahead[0],
    ahead,
    devices: counted(devices, ignored, state),
  }
}

/** Replaces an ignored head by the last one that was accepted. */
function counted(devices: readonly KnownHead[], ignored: readonly IgnoredHead[], state: SyncState): KnownHead[] {
  return devices.flatMap((device) => {
    if (!ignored.some(({ name }) => name === device.slot)) return [device]
    return state.devices.filter(({ slot }) => slot === device.slot)
  })
}

async function checkDriveName(now: NamedHead, checker: HeadChecker, options: CheckOptions): Promise<Newer | undefined> {
  const { head } = checker.state
  const ours = [head, checker.state.plan?.version].find((one) => one !== undefined && same(one.root, now.root))
  if (ours !== undefined) {
    const { height, deviceSlot } = ours.commit
    if (now.sequence !== driveSequence(height, deviceSlot)) throw new Incredible()
    return undefined
  }
  if (head !== undefined && same(now.root, head.namedRoot) && now.sequence === head.nameSequence) return undefined
  requireNotOlder('the drive name', { now: now.sequence, seen: head?.nameSequence }, options.mayBeBehind)
  return follow(now, true, checker, options)
}

/** Only this device writes its own head name. The name lags behind while versions of other devices are taken over. */
async function checkOwnName(now: NamedHead, checker: HeadChecker, options: CheckOptions): Promise<void> {
  const { state, deviceSlot } = checker
  const { head } = state
  if (isOurs(now.root, state)) return
  const left =
    head?.commit.deviceSlot === deviceSlot ? undefined : state.devices.find(({ slot }) => slot === deviceSlot)
  if (left !== undefined && same(now.root, left.root)) return
  if (options.mayBeBehind === true && state.isPast(now.root)) return
  const seen = left?.sequence ?? (head && driveSequence(head.commit.height, deviceSlot))
  requireNotOlder('the head of this device', { now: now.sequence, seen }, options.mayBeBehind)
  const { who, about, relation } = await judge(now, false, checker, options)
  if (relation === 'older' && (left !== undefined || options.mayBeBehind === true)) return
  throw diverged(who, 'two copies of a device cannot build on each other', about)
}

/** A head that moved. @returns undefined when our version includes it, the newer version when it descends from ours */
async function follow(
  now: NamedHead,
  isDriveName: boolean,
  checker: HeadChecker,
  options: CheckOptions,
): Promise<Newer | undefined> {
  if (isOurs(now.root, checker.state)) return undefined
  if (options.mayBeBehind === true && checker.state.isPast(now.root)) return undefined
  const { who, about, relation, version } = await judge(now, isDriveName, checker, options)
  if (relation === 'newer') return { version: version!, who }
  // An ancestor of our version: the device that published it may still have its head there.
  if (relation === 'older') return undefined
  throw diverged(who, UNPROVED, about)
}

const UNPROVED = "they do not descend from this device's version, or the node cannot prove that they do"

interface Judged {
  readonly version: Version | undefined
  readonly relation: Relation
  readonly who: string
  readonly about: Readonly<Record<string, string | number>>
}

async function judge(
  now: NamedHead,
  isDriveName: boolean,
  checker: HeadChecker,
  { signal, mayBeBehind }: CheckOptions,
): Promise<Judged> {
  const { names, fetch, deviceSlot, state } = checker
  const { head } = state
  const about = { sequence: now.sequence }
  try {
    const version = await names.openVersion(now.root, fetch, signal)
    const { height, deviceSlot: slot, deviceName } = version.commit
    if (!(await isCredible(now, version, isDriveName, { ...checker, known: head }, signal))) throw new Incredible()
    return {
      version,
      relation: head === undefined ? 'unknown' : await relationOf(version, head, checker, signal),
      who: slot === deviceSlot ? 'Another copy of this device' : `Device ${JSON.stringify(deviceName)}`,
      about: { ...about, height, deviceSlot: slot },
    }
  } catch (error) {
    if (error instanceof Incredible || (isDriveError(error) && PASSING.has(error.code))) throw error
    const { height } = splitDriveSequence(now.sequence)
    if (isBeyondReach(height, head) || isForged(error)) throw new Incredible()
    // The drive was on this node before, and the node has lost this version since: nobody can open it.
    if (mayBeBehind === true && head !== undefined && height <= head.commit.height && isDriveError(error, 'NOT_FOUND'))
      return { version: undefined, relation: 'older', who: 'Another device', about }
    if (isDriveError(error, 'NOT_FOUND')) throw new Missing(height, diverged('Another device', UNPROVED, about))
    // Blocks of this version may be missing or unreadable. The head is refused in both cases.
    return { version: undefined, relation: 'unknown', who: 'Another device', about }
  }
}

/** Errors of the connection or of the node, not of the head. */
const PASSING: ReadonlySet<DriveErrorCode> = new Set([
  'OFFLINE',
  'ABORTED',
  'TIMEOUT',
  'NODE_BUSY',
  'NODE_DENIED',
  'NODE_ERROR',
])

/** The version this device is based on, is publishing or is taking over (a crash may follow the put of its names). */
function isOurs(root: Digest, { head, plan, takeOver }: SyncState): boolean {
  return [head?.root, plan?.version.root, takeOver?.version.root].some((ours) => ours !== undefined && same(root, ours))
}

function same(a: Digest, b: Digest): boolean {
  return Buffer.compare(a, b) === 0
}
