/**
 * Decides whether a head is credible. Anyone with the drive's keys, for example on a lost device, can sign a record
 * with the highest sequence there is, and no later record would replace it. So a record counts only if its sequence
 * matches its commit, and a commit counts only if its height is 1 + the greatest height of its parents. Other heads are
 * ignored, and no device builds on them.
 */
import { equalBytes, isDriveError } from '../../base/index.js'
import { cidOf, driveSequence, splitDriveSequence, type FetchBlock } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { Version } from '../contract.js'
import type { DriveNames, NamedHead } from './drive-names.js'

export interface Evidence {
  readonly names: Pick<DriveNames, 'openVersion'>
  readonly fetch: FetchBlock
  readonly node: Pick<IpfsNode, 'missing'>
  /** A version whose height is verified. */
  readonly known?: Version | undefined
}

/** A head that is not credible: the drive's, or that of the device in a slot. */
export interface IgnoredHead {
  readonly name: 'drive' | number
  /** Undefined when the record has a content that no device writes. */
  readonly sequence: number | undefined
}

/** The most versions that may have been published since `known` and collected by the node. */
const MOST_UNSEEN = 2 ** 20
/** One version a second for 136 years. */
const MOST_EVER = 2 ** 32

/** The height is too far above `known` to be searched for; the version may be missing. */
export function isBeyondReach(height: number, known: Version | undefined): boolean {
  return height > (known === undefined ? MOST_EVER : known.commit.height + MOST_UNSEEN)
}

/**
 * @param isDriveName false for the name of a device
 * @returns whether the record `now` and its `version` are credible
 */
export async function isCredible(
  now: Pick<NamedHead, 'sequence'>,
  version: Version,
  isDriveName: boolean,
  evidence: Evidence,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { height, deviceSlot, parents } = version.commit
  const fits = isDriveName
    ? now.sequence === driveSequence(height, deviceSlot)
    : splitDriveSequence(now.sequence).height === height
  if (!fits) return false
  if (evidence.known !== undefined && equalBytes(version.root, evidence.known.root)) return true
  if (parents.length === 0) return height === 1
  const heights = await parentHeightsOf(version, evidence, signal)
  if (heights.some((one) => one >= height)) return false
  if (heights.includes(height - 1)) return true
  // The parent with the height below may be one that is missing. If none is missing, the height is wrong.
  return heights.length < parents.length && !isBeyondReach(height, evidence.known)
}

/**
 * Heights of the available parents: those this device knows, and the first one. Unless versions were merged, the first
 * is the greatest.
 */
async function parentHeightsOf(
  { commit }: Version,
  { names, fetch, node, known }: Evidence,
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const heights: number[] = []
  for (const [at, parent] of commit.parents.entries()) {
    if (known !== undefined && equalBytes(parent, known.root)) heights.push(known.commit.height)
    else if (at === 0) {
      // `missing` is cheap; a fetch of a missing block would search the network for a long time.
      const missing = await node.missing([cidOf(parent, 'dag-pb')], signal === undefined ? {} : { signal })
      if (missing.length > 0) continue
      // CORRUPT passes: a version on top of one that nobody can read is not credible.
      const opened = await names.openVersion(parent, fetch, signal).catch(unlessMissing)
      if (opened !== undefined) heights.push(opened.commit.height)
    }
  }
  return heights
}

/**
 * What was signed by the drive's keys, or fetched by its digest, cannot be read. So a device made it, not the node. A
 * newer format must take other names: otherwise its heads would be ignored here.
 */
export function isForged(error: unknown): boolean {
  return isDriveError(error, 'CORRUPT')
}

/** The commit may be gone although its root is still there. Bytes of another block count as missing. */
function unlessMissing(error: unknown): undefined {
  if (!isDriveError(error, 'NOT_FOUND') && !isDriveError(error, 'WRONG_BLOCK')) throw error
}
