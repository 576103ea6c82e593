/**
 * Whether a head counts. Whoever holds the drive's keys, also on a device that was lost, can sign a record with the
 * highest number there is, and no later one would replace it. So a record counts only when its sequence fits the commit
 * it leads to, and a commit only with height 1 + the greatest of its parents. Others are ignored, and nobody continues
 * from them.
 */
import { equalBytes, isDriveError } from '../../base/index.js'
import { cidOf, driveSequence, splitDriveSequence, type FetchBlock } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { Version } from '../contract.js'
import type { DriveNames, NamedHead } from './heads.js'

export interface Evidence {
  readonly names: Pick<DriveNames, 'openVersion'>
  readonly fetch: FetchBlock
  readonly node: Pick<IpfsNode, 'missing'>
  /** A version whose height is known to be right. */
  readonly known?: Version | undefined
}

/** A head that does not count: of the drive, or of the device of a slot. */
export interface IgnoredHead {
  readonly name: 'drive' | number
  readonly sequence: number
}

/** Versions may have been made that are not on the node any more, this many since one that is known. */
const MOST_UNSEEN = 2 ** 20
/** One version a second for 136 years. */
const MOST_EVER = 2 ** 32

/** Too far ahead of `known` to be looked for: whatever its record leads to may be missing. */
export function isBeyondReach(height: number, known: Version | undefined): boolean {
  return height > (known === undefined ? MOST_EVER : known.commit.height + MOST_UNSEEN)
}

/** @returns whether `now`, which leads to `version`, counts @param isDriveName otherwise it is the name of a device */
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
  // All parents are known, and none is the one before; or that one is not there any more.
  return heights.length < parents.length && !isBeyondReach(height, evidence.known)
}

/**
 * Heights of the parents that can be had: those this device knows, and the first, which is the greatest unless versions
 * were merged.
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
      // Asked first: looking for a block that nobody has takes its time.
      const missing = await node.missing([cidOf(parent, 'dag-pb')], signal === undefined ? {} : { signal })
      if (missing.length > 0) continue
      const opened = await names.openVersion(parent, fetch, signal).catch(unlessMissing)
      if (opened !== undefined) heights.push(opened.commit.height)
    }
  }
  return heights
}

/** Its commit may be gone where its root is still there; one that is damaged is as good as gone. */
function unlessMissing(error: unknown): undefined {
  if (!isDriveError(error, 'NOT_FOUND') && !isDriveError(error, 'WRONG_BLOCK')) throw error
}
