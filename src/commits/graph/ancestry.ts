/** Decides which of two versions descends from the other. */
import { isDriveError, type Digest } from '../../base/index.js'
import type { FetchBlock } from '../../dag/index.js'
import { parentHeights } from './ancestors.js'
import type { Version, VersionOpener } from './version.js'

export interface HistoryReader {
  readonly names: VersionOpener
  readonly fetch: FetchBlock
}

/**
 * `newer`: a descendant. `older`: an ancestor. `unknown`: neither, or the node no longer has the versions between them,
 * so descent cannot be proved.
 */
export type Relation = 'same' | 'newer' | 'older' | 'unknown'

/** The relation of `other` to `own`. Reads at most the commits between them. */
export async function relationOf(
  other: Version,
  own: Version,
  reader: HistoryReader,
  signal: AbortSignal | undefined,
): Promise<Relation> {
  if (same(other.root, own.root)) return 'same'
  if (!same(other.commit.driveId, own.commit.driveId)) return 'unknown'
  if (other.commit.height > own.commit.height) return (await descends(other, own, reader, signal)) ? 'newer' : 'unknown'
  return (await descends(own, other, reader, signal)) ? 'older' : 'unknown'
}

async function descends(
  younger: Version,
  older: Version,
  { names, fetch }: HistoryReader,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const seen = new Set<string>()
  const waiting: Version[] = [younger]
  const limit = older.commit.height
  for (let version = waiting.pop(); version !== undefined; version = waiting.pop()) {
    const { parents, height } = version.commit
    if (parents.some((parent) => same(parent, older.root))) return true
    for (const parent of inOrder(version, limit)) {
      const name = Buffer.from(parent).toString('latin1')
      if (seen.has(name)) continue
      seen.add(name)
      const opened = await openIfThere(parent, names, fetch, signal)
      // The format requires heights to fall along every path. This check enforces it for hostile commits.
      if (opened === undefined || opened.commit.height >= height || opened.commit.height <= limit) continue
      waiting.push(version, opened)
      break
    }
  }
  return false
}

/**
 * The order in which parents are visited: first the farthest parent above `limit`, last the parents that should be
 * below it.
 */
function inOrder({ commit }: Version, limit: number): Digest[] {
  const heights = parentHeights(commit.height)
  const isAbove = (_: Digest, i: number): boolean => (heights[i] ?? 0) > limit
  const { parents } = commit
  return [...parents.filter(isAbove).toReversed(), ...parents.filter((parent, i) => !isAbove(parent, i))]
}

/** Undefined when the node no longer has it: replaced versions are unpinned. */
async function openIfThere(
  root: Digest,
  names: HistoryReader['names'],
  fetch: FetchBlock,
  signal: AbortSignal | undefined,
): Promise<Version | undefined> {
  try {
    return await names.openVersion(root, fetch, signal)
  } catch (error) {
    if (isDriveError(error, 'NOT_FOUND') || isDriveError(error, 'WRONG_BLOCK')) return undefined
    throw error
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
