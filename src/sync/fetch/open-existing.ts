/** Finds a drive on a node from its keys alone, and opens it for a new device. */
import { createHash } from 'node:crypto'
import { DriveError, equalBytes, isDriveError } from '../../base/index.js'
import type { DriveKeys } from '../../crypto/index.js'
import { cidOf, driveSequence, splitDriveSequence, type FetchBlock } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { FoundDrive, KnownHead, OpenedDrive, Version } from '../contract.js'
import { isBeyondReach, isCredible } from '../heads/credible.js'
import { DriveNames } from '../heads/heads.js'

export interface FindOptions {
  readonly node: IpfsNode
  readonly keys: DriveKeys
  readonly signal?: AbortSignal
}

const LAST_SLOT = 255
/** Slots are assigned in ascending order, so the search ends after this many unknown ones. */
const UNKNOWN_SLOTS_IN_A_ROW = 2

/**
 * The drive of these keys; undefined when the node knows no head of it. @throws CORRUPT when its head cannot be opened
 * or is not credible
 */
export async function findDrive(options: FindOptions): Promise<FoundDrive | undefined> {
  const found = await driveName(options)
  if (found === 'ignored') {
    throw new DriveError('CORRUPT', 'The name of the drive and the version it points to do not match.')
  }
  return found
}

/**
 * Opens the newest version the node knows: the target of the drive name, or a device head ahead of it. A device head is
 * ahead if a device was lost between the moves of its two names, if the node shows an old drive name, or if the drive
 * name is not credible. Takes a device slot without a known head.
 * @throws NO_DRIVE when the node knows no head
 */
export async function openExisting(options: FindOptions): Promise<OpenedDrive> {
  const names = new DriveNames(options.keys)
  const devices = await knownHeads(names, options.node, options.signal)
  const named = await driveName(options)
  const found = named === undefined || named === 'ignored' ? await byDevices(devices, named, options) : named
  if (found === undefined) {
    throw new DriveError('NO_DRIVE', 'The node knows no drive of this recovery phrase.', {
      about: { name: names.drive },
    })
  }
  const deviceSlot = freeSlot([found.version.commit.deviceSlot, ...devices.map(({ slot }) => slot)])
  const version = await newest(found.version, devices, options)
  return { ...found, version, root: version.commit.root, deviceSlot, devices }
}

/** The target of the drive name. */
async function driveName({ node, keys, signal }: FindOptions): Promise<FoundDrive | 'ignored' | undefined> {
  const names = new DriveNames(keys)
  const head = await names.read(names.drive, node, { signal })
  if (head === undefined) return undefined
  const { height } = splitDriveSequence(head.sequence)
  try {
    const version = await names.openVersion(head.root, fetcher(node), signal)
    if (!(await isCredible(head, version, true, { names, fetch: fetcher(node), node }, signal))) return 'ignored'
    return { version, nameSequence: head.sequence, namedRoot: head.root }
  } catch (error) {
    if (isBeyondReach(height, undefined) && isDriveError(error, 'NOT_FOUND')) return 'ignored'
    throw error
  }
}

/**
 * Finds the drive by its device heads alone. If there is no drive name, a device was lost after it put its own head and
 * before the first put of the drive name. In that case this function puts the drive name.
 */
async function byDevices(
  devices: readonly KnownHead[],
  named: 'ignored' | undefined,
  options: FindOptions,
): Promise<FoundDrive | undefined> {
  const { node, keys, signal } = options
  const names = new DriveNames(keys)
  for (const head of devices.toSorted((a, b) => b.sequence - a.sequence)) {
    const version = await openCredible(head, options)
    if (version === undefined) continue
    const { height, deviceSlot } = version.commit
    if (named === undefined) {
      const record = names.makeRecords(version.root, version.commit).drive
      await node.putName(names.drive, record, signal === undefined ? {} : { signal })
    }
    return { version, nameSequence: driveSequence(height, deviceSlot), namedRoot: version.root }
  }
  return undefined
}

/** Undefined when the head is not credible. */
async function openCredible(head: KnownHead, { node, keys, signal }: FindOptions): Promise<Version | undefined> {
  const names = new DriveNames(keys)
  const fetch = fetcher(node)
  try {
    const version = await names.openVersion(head.root, fetch, signal)
    return (await isCredible(head, version, false, { names, fetch, node }, signal)) ? version : undefined
  } catch (error) {
    if (isBeyondReach(splitDriveSequence(head.sequence).height, undefined) && isDriveError(error, 'NOT_FOUND')) {
      return undefined
    }
    throw error
  }
}

async function knownHeads(names: DriveNames, node: IpfsNode, signal: AbortSignal | undefined): Promise<KnownHead[]> {
  const heads: KnownHead[] = []
  for (let slot = 0, unknown = 0; slot <= LAST_SLOT && unknown < UNKNOWN_SLOTS_IN_A_ROW; slot++) {
    const head = await names.read(names.device(slot), node, { signal, lenient: true })
    unknown = head === undefined ? unknown + 1 : 0
    if (head !== undefined) heads.push({ slot, sequence: head.sequence, root: head.root })
  }
  return heads
}

function freeSlot(taken: readonly number[]): number {
  const slot = Math.max(...taken) + 1
  if (slot > LAST_SLOT)
    throw new DriveError('NOT_SUPPORTED', 'This drive has been opened by 256 devices; no more can be added.')
  return slot
}

async function newest(named: Version, devices: readonly KnownHead[], options: FindOptions): Promise<Version> {
  let best = named
  const ahead = devices
    .filter(
      ({ slot, sequence }) =>
        sequence > driveSequence(named.commit.height, named.commit.deviceSlot) && slot <= LAST_SLOT,
    )
    .sort((a, b) => a.sequence - b.sequence)
  for (const head of ahead) {
    if (equalBytes(head.root, best.root)) continue
    const version = await openCredible(head, options)
    // Of two versions with the same height, the target of the drive name wins. A higher one was published later.
    if (version !== undefined && version.commit.height > best.commit.height) best = version
  }
  return best
}

function fetcher(node: IpfsNode): FetchBlock {
  return async (digest, codec, signal) => {
    const bytes = await node.getBlock(cidOf(digest, codec), signal === undefined ? {} : { signal })
    if (!equalBytes(createHash('sha256').update(bytes).digest(), digest)) {
      throw new DriveError('WRONG_BLOCK', 'The node gave bytes that do not belong to the block asked for.')
    }
    return bytes
  }
}
