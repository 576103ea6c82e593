/** Walks dag-pb trees: which blocks lie below a root, and are they all there? Raw blocks have no links. */
import { decode } from '@ipld/dag-pb'
import { hex, throwIfAborted } from '../../base/index.js'
import { CODEC, type ParsedCid } from '../cid.js'
import { DigestSet } from './digest-set.js'

/** A CID that is its own block. */
const IDENTITY = 0

export interface WalkSource {
  has(cid: ParsedCid): boolean
  /** The bytes of a dag-pb node. */
  read(cid: ParsedCid): Promise<Uint8Array>
}

export interface WalkOptions {
  readonly signal?: AbortSignal | undefined
  /** Every block reached; raw ones as often as they are linked. */
  readonly visit?: (cid: ParsedCid) => void
}

/** @returns the first block that is not there, undefined when the tree is whole */
export async function findMissing(
  source: WalkSource,
  root: ParsedCid,
  options: WalkOptions = {},
): Promise<ParsedCid | undefined> {
  return walk(source, [{ now: root, before: undefined }], options)
}

/**
 * Like `findMissing` for a tree of which `before`, a similar one, is known to be whole: equal subtrees are skipped, so the
 * cost is that of the difference.
 */
export async function findMissingSince(
  source: WalkSource,
  before: ParsedCid,
  root: ParsedCid,
  options: WalkOptions = {},
): Promise<ParsedCid | undefined> {
  return walk(source, [{ now: root, before }], options)
}

interface Step {
  readonly now: ParsedCid
  /** The node at the same place of the tree known to be whole. */
  readonly before: ParsedCid | undefined
}

async function walk(source: WalkSource, stack: Step[], options: WalkOptions): Promise<ParsedCid | undefined> {
  const seen = new DigestSet() // dag-pb nodes only: leaves are many, and asking for one twice is cheap
  for (let step = stack.pop(); step !== undefined; step = stack.pop()) {
    if (!source.has(step.now)) return step.now
    options.visit?.(step.now)
    if (step.now.codec !== CODEC.DAG_PB) continue
    if (step.before !== undefined && idOf(step.now) === idOf(step.before)) continue
    if (!seen.add(step.now.digest)) continue
    throwIfAborted(options.signal)
    const links = linksOf(await source.read(step.now))
    const before = step.before?.codec === CODEC.DAG_PB ? linksOf(await source.read(step.before)) : []
    stack.push(...pair(links, before))
  }
  return undefined
}

/** New links beside the old ones they replaced; links that were there before are left out. */
function pair(links: readonly ParsedCid[], before: readonly ParsedCid[]): Step[] {
  if (before.length === 0) return links.map((now) => ({ now, before: undefined }))
  const old = new Set(before.map(idOf))
  const now = new Set(links.map(idOf))
  const gone = before.filter((cid) => !now.has(idOf(cid)))
  const fresh = links.filter((cid) => !old.has(idOf(cid)))
  return fresh.map((cid, at) => ({ now: cid, before: gone[at] }))
}

function linksOf(bytes: Uint8Array): ParsedCid[] {
  const links = decode(bytes).Links.filter((link) => link.Hash.multihash.code !== IDENTITY)
  return links.map((link) => ({ codec: link.Hash.code, digest: link.Hash.multihash.digest }))
}

/** A text that is equal for equal blocks of equal codec. */
function idOf(cid: ParsedCid): string {
  return `${cid.codec}/${hex(cid.digest)}`
}
