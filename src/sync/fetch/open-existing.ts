/** Finds a drive on a node from its keys alone, and opens it for a new device. */
import { createHash } from 'node:crypto'
import { DriveError, isDriveError, type Digest } from '../../base/index.js'
import type { DriveKeys } from '../../crypto/index.js'
import { cidOf, driveSequence, LAST_SLOT, splitDriveSequence, type FetchBlock } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { FoundDrive, KnownHead, OpenedDrive, Version } from '../contract.js'
import { isBeyondReach, isCredible, isForged } from '../heads/credible.js'
import { DriveNames, UNUSABLE, type NamedHead } from '../heads/drive-names.js'
import { putName } from '../publish/put-name.js'
import { requireReadableRoot } from '../lying-node/missing-root.js'
import { requireBytesOf } from '../lying-node/wrong-bytes.js'

export interface FindOptions {
  readonly node: IpfsNode
  readonly keys: DriveKeys
  readonly signal?: AbortSignal
}

/** Slots are assigned in ascending order, so the search ends after this many unknown ones. */
const UNKNOWN_SLOTS_IN_A_ROW = 2

/** Reads the heads on a node. */
interface Finder {
  readonly node: IpfsNode
  readonly names: DriveNames
  readonly fetch: FetchBlock
}

/**
 * The drive of these keys; undefined when the node knows no head of it. @throws CORRUPT when its head cannot be opened
 * or is not credible
 */
export async function findDrive(options: FindOptions): Promise<FoundDrive | undefined> {
  const found = await driveName(finderOf(options), options)
  if (typeof found === 'object' && 'missing' in found) throw found.missing
  if (found === 'ignored') {
    throw new DriveError('CORRUPT', 'The name of the drive and the version it points to do not match.')
  }
  return found
}

/**
 * Opens the newest version the node knows: the target of the drive name, or a device head ahead of it. A device head is
 * ahead if a device was lost between the moves of its two names, if the node shows an old drive name, or if the drive
 * name is not credible. Takes a device slot without a known head.
 * @throws NO_DRIVE when the node knows no head, CORRUPT when none of those it knows is credible
 */
export async function openExisting(options: FindOptions): Promise<OpenedDrive> {
  const { signal } = options
  const finder = finderOf(options)
  const { names } = finder
  const shown = await knownHeads(finder, signal)
  const found = await byNames(await driveName(finder, { signal }), shown, finder, signal)
  if (found === undefined) {
    throw new DriveError('NO_DRIVE', 'The node knows no drive of this recovery phrase.', {
      about: { name: names.drive },
    })
  }
  const { devices } = shown
  const version = await newest(found.version, devices, finder, signal)
  const deviceSlot = await freeSlot([found.version.commit.deviceSlot, version.commit.deviceSlot], shown, finder, signal)
  // One undecodable version must not stop every opening: its root directory answers with an error.
  await requireReadableRoot(version.commit, finder.fetch, signal).catch(unlessCorrupt)
  return { ...found, version, root: version.commit.root, deviceSlot, devices }
}

/** The target of the drive name, or when that is not credible, the newest credible device head. */
export async function findVersion(
  finder: Finder,
  options: { readonly signal: AbortSignal; readonly lenient: boolean },
): Promise<FoundDrive | undefined> {
  const named = await driveName(finder, options)
  if (named === undefined) return undefined
  return byNames(named, await knownHeads(finder, options.signal), finder, options.signal)
}

function finderOf({ node, keys }: FindOptions): Finder {
  return { node, names: new DriveNames(keys), fetch: fetcher(node) }
}

async function byNames(
  named: NamedDrive,
  shown: ShownHeads,
  finder: Finder,
  signal: AbortSignal | undefined,
): Promise<FoundDrive | undefined> {
  if (named !== undefined && named !== 'ignored' && !('missing' in named)) return named
  const missing = typeof named === 'object' ? named : undefined
  const found = await byDevices(shown.devices, named === undefined, finder, signal)
  // A newer version may have been lost. One of at most this height was superseded, or never was.
  if (missing !== undefined && (found?.version.commit.height ?? 0) < missing.height) throw missing.missing
  // Records that are not credible are no proof that there is no drive.
  if (found === undefined && (named !== undefined || shown.devices.length > 0 || shown.unusable.length > 0))
    throw new DriveError('CORRUPT', 'The node knows this drive, but none of its heads there is credible.')
  return found
}

/** The node does not have the version that the drive name points to. */
interface MissingDrive {
  readonly missing: DriveError
  readonly height: number
}

/** The target of the drive name, and what is wrong with it. */
type NamedDrive = FoundDrive | MissingDrive | 'ignored' | undefined

async function driveName(
  { node, names, fetch }: Finder,
  { signal, lenient = false }: { readonly signal?: AbortSignal | undefined; readonly lenient?: boolean },
): Promise<NamedDrive> {
  const head = await names.read(names.drive, node, { signal, lenient })
  if (head === undefined) return undefined
  if (head === UNUSABLE) return 'ignored'
  const { height } = splitDriveSequence(head.sequence)
  const version = await openCredible(head, true, { node, names, fetch }, signal).catch((error: unknown) => {
    if (isDriveError(error, 'NOT_FOUND')) return { missing: error, height }
    throw error
  })
  if (version !== undefined && 'missing' in version) return version
  return version === undefined ? 'ignored' : { version, nameSequence: head.sequence, namedRoot: head.root }
}

/**
 * Finds the drive by its device heads alone. If there is no drive name, a device was lost after it put its own head and
 * before the first put of the drive name. In that case this function puts the drive name.
 * @param putsName the node knows no drive name
 */
async function byDevices(
  devices: readonly KnownHead[],
  putsName: boolean,
  finder: Finder,
  signal: AbortSignal | undefined,
): Promise<FoundDrive | undefined> {
  const { node, names } = finder
  for (const head of devices.toSorted((a, b) => b.sequence - a.sequence)) {
    const version = await openCredible(head, false, finder, signal)
    if (version === undefined) continue
    const { height, deviceSlot } = version.commit
    if (putsName) {
      const record = names.makeRecords(version.root, version.commit).drive
      await putName(names.drive, record, { names, node }, signal ?? new AbortController().signal)
    }
    return { version, nameSequence: driveSequence(height, deviceSlot), namedRoot: version.root }
  }
  return undefined
}

/** Undefined when the head is not credible. */
async function openCredible(
  head: NamedHead,
  isDriveName: boolean,
  { node, names, fetch }: Finder,
  signal: AbortSignal | undefined,
): Promise<Version | undefined> {
  try {
    const version = await names.openVersion(head.root, fetch, signal)
    return (await isCredible(head, version, isDriveName, { names, fetch, node }, signal)) ? version : undefined
  } catch (error) {
    if (isForged(error)) return undefined
    const { height } = splitDriveSequence(head.sequence)
    if (isBeyondReach(height, undefined) && isDriveError(error, 'NOT_FOUND')) return undefined
    throw error
  }
}

interface ShownHeads {
  readonly devices: readonly KnownHead[]
  /** Slots whose record has a content that no device writes. */
  readonly unusable: readonly number[]
}

async function knownHeads({ names, node }: Finder, signal: AbortSignal | undefined): Promise<ShownHeads> {
  const devices: KnownHead[] = []
  const unusable: number[] = []
  for (let slot = 0, unknown = 0; slot <= LAST_SLOT && unknown < UNKNOWN_SLOTS_IN_A_ROW; slot++) {
    const head = await names.read(names.device(slot), node, { signal, lenient: true })
    unknown = head === undefined ? unknown + 1 : 0
    if (head === UNUSABLE) unusable.push(slot)
    else if (head !== undefined) devices.push({ slot, sequence: head.sequence, root: head.root })
  }
  return { devices, unusable }
}

/**
 * The slot after the last one with a record. When there is none left, one whose record is not credible.
 * @param taken slots of the versions that were found
 */
async function freeSlot(
  taken: readonly number[],
  { devices, unusable }: ShownHeads,
  finder: Finder,
  signal: AbortSignal | undefined,
): Promise<number> {
  const beyond = Math.max(...taken, ...unusable, ...devices.map(({ slot }) => slot)) + 1
  if (beyond <= LAST_SLOT) return beyond
  for (const slot of unusable) if (!taken.includes(slot)) return slot
  for (const head of devices) {
    if (!taken.includes(head.slot) && (await isForgedHead(head, finder, signal))) return head.slot
  }
  throw new DriveError('NOT_SUPPORTED', 'This drive has been opened by 256 devices; no more can be added.')
}

/** A version that is missing may be an old one that the node has collected, so its head counts. */
async function isForgedHead(head: KnownHead, finder: Finder, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    return (await openCredible(head, false, finder, signal)) === undefined
  } catch (error) {
    if (isDriveError(error, 'NOT_FOUND') || isDriveError(error, 'WRONG_BLOCK')) return false
    throw error
  }
}

async function newest(
  named: Version,
  devices: readonly KnownHead[],
  finder: Finder,
  signal: AbortSignal | undefined,
): Promise<Version> {
  // Of two versions with the same height, the target of the drive name wins. A higher one was published later.
  const ahead = devices
    .filter(({ sequence }) => splitDriveSequence(sequence).height > named.commit.height)
    .toSorted((a, b) => b.sequence - a.sequence)
  for (const head of ahead) {
    const version = await openCredible(head, false, finder, signal)
    if (version !== undefined) return version
  }
  return named
}

const hash = (bytes: Uint8Array): Digest => createHash('sha256').update(bytes).digest()

function fetcher(node: IpfsNode): FetchBlock {
  return async (digest, codec, signal) => {
    const bytes = await node.getBlock(cidOf(digest, codec), signal === undefined ? {} : { signal })
    requireBytesOf(digest, bytes, { sha256: hash })
    return bytes
  }
}

function unlessCorrupt(error: unknown): void {
  if (!isDriveError(error, 'CORRUPT')) throw error
}
