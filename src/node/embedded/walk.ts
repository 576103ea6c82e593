/** Walks dag-pb trees to list the blocks below a root and to find missing ones. Raw blocks have no links. */
import { setImmediate } from 'node:timers/promises'
import { DriveError, hex, throwIfAborted } from '../../base/index.js'
import { decodeLinks, parseCid, type Cid } from '../../dag/index.js'
import { DigestSet } from './digest-set.js'

/** Number of blocks looked up between two turns of the event loop. */
const LOOKS_AT_ONCE = 256
/** Limit of nodes waiting to be visited, about 50 MB. A tree of ours has a few hundred. */
const MOST_WAITING = 200_000
/** Limit of the nodes in one tree: enough for 400 million blocks. */
const MOST_NODES = 2_000_000

export interface WalkSource {
  has(cid: Cid): boolean
  /** The bytes of a dag-pb node. */
  read(cid: Cid): Promise<Uint8Array>
}

export interface WalkOptions {
  readonly signal?: AbortSignal | undefined
  /** Called for every block reached; for raw blocks once per link. */
  readonly visit?: (cid: Cid) => void
}

/** @returns the first missing block; undefined when the tree is complete */
export async function findMissing(source: WalkSource, root: Cid, options: WalkOptions = {}): Promise<Cid | undefined> {
  return walk(source, [{ now: root, before: undefined }], options)
}

/**
 * Like `findMissing`, but skips subtrees that are equal in `before`, a similar tree that is known to be complete. The
 * cost is that of the difference.
 */
export async function findMissingSince(
  source: WalkSource,
  before: Cid,
  root: Cid,
  options: WalkOptions = {},
): Promise<Cid | undefined> {
  return walk(source, [{ now: root, before }], options)
}

/** @returns the missing ones of the blocks */
export async function absentFrom<Text extends string>(
  source: Pick<WalkSource, 'has'>,
  cids: readonly Text[],
  { signal }: Pick<WalkOptions, 'signal'> = {},
): Promise<Text[]> {
  const absent: Text[] = []
  for (const [i, cid] of cids.entries()) {
    if (!source.has(parseCid(cid))) absent.push(cid)
    if (i % LOOKS_AT_ONCE !== LOOKS_AT_ONCE - 1) continue
    await setImmediate()
    throwIfAborted(signal)
  }
  return absent
}

interface Step {
  readonly now: Cid
  /** The node at the same place in the complete tree. */
  readonly before: Cid | undefined
}

async function walk(source: WalkSource, stack: Step[], options: WalkOptions): Promise<Cid | undefined> {
  const seen = new DigestSet() // only dag-pb nodes: there are many leaves, and looking one up twice is cheap
  let looks = 0
  for (let step = stack.pop(); step !== undefined; step = stack.pop()) {
    if (++looks % LOOKS_AT_ONCE === 0) await setImmediate()
    if (!source.has(step.now)) return step.now
    options.visit?.(step.now)
    if (step.now.codec !== 'dag-pb') continue
    if (step.before !== undefined && idOf(step.now) === idOf(step.before)) continue
    if (!seen.add(step.now.digest)) continue
    throwIfAborted(options.signal)
    const links = decodeLinks(await source.read(step.now))
    const before = step.before?.codec === 'dag-pb' ? decodeLinks(await source.read(step.before)) : []
    for (const next of pair(links, before)) stack.push(next)
    if (stack.length > MOST_WAITING || seen.size > MOST_NODES)
      throw new DriveError('NODE_ERROR', 'A tree in the block store exceeds the size limit.')
  }
  return undefined
}

/** Pairs new links with the old ones they replaced. Unchanged links are left out. */
function pair(links: readonly Cid[], before: readonly Cid[]): Step[] {
  if (before.length === 0) return links.map((now) => ({ now, before: undefined }))
  const old = new Set(before.map(idOf))
  const now = new Set(links.map(idOf))
  const gone = before.filter((cid) => !now.has(idOf(cid)))
  const fresh = links.filter((cid) => !old.has(idOf(cid)))
  return fresh.map((cid, at) => ({ now: cid, before: gone[at] }))
}

/** A key that is equal for equal digests with equal codecs. */
function idOf(cid: Cid): string {
  return `${cid.codec}/${hex(cid.digest)}`
}
