/** Which of two versions came after the other, as their commits say. */
import { isDriveError, type Digest } from '../base/index.js'
import type { FetchBlock } from '../dag/index.js'
import type { Version } from './contract.js'
import type { DriveNames } from './heads.js'

export interface HistoryReader {
  readonly names: Pick<DriveNames, 'openVersion'>
  readonly fetch: FetchBlock
}

/**
 * `newer` descends from the version asked about, `older` is one it descends from. `unknown`: neither, or versions between them are not
 * on the node any more, so that it cannot be shown.
 */
export type Relation = 'same' | 'newer' | 'older' | 'unknown'

/** What `other` is to `own`. Reads as many commits as lie between them. */
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
  for (let version = waiting.pop(); version !== undefined; version = waiting.pop()) {
    const { parents, height } = version.commit
    if (height <= older.commit.height) continue
    if (parents.some((parent) => same(parent, older.root))) return true
    // A parent is at least one lower; one that is no higher than `older` is not it, and leads to lower ones only.
    if (height - 1 <= older.commit.height) continue
    for (const parent of parents.toReversed()) {
      const name = Buffer.from(parent).toString('latin1')
      if (seen.has(name)) continue
      seen.add(name)
      const opened = await openIfThere(parent, names, fetch, signal)
      // Heights fall along every path, which the format promises and nobody has to believe.
      if (opened !== undefined && opened.commit.height < height) waiting.push(opened)
    }
  }
  return false
}

/** Undefined when the node has lost it: what was replaced is not pinned any more. */
async function openIfThere(
  root: Digest,
  names: HistoryReader['names'],
  fetch: FetchBlock,
  signal: AbortSignal | undefined,
): Promise<Version | undefined> {
  try {
    return await names.openVersion(root, fetch, signal)
  } catch (error) {
    if (isDriveError(error, 'NOT_FOUND')) return undefined
    throw error
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
