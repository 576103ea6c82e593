/**
 * Blocks that left the tree go from this machine. What a row names, in the tree or in the commit that is durable, never
 * does.
 */
import { hex, type Digest } from '../../base/index.js'
import { decodeChunk, decodeRemoved, removedKey, secondOf, type PublishedCommit } from '../../tree-state/index.js'
import type { TreeState } from '../inodes/tree-state.js'
import type { HeldMemory } from './held-memory.js'
import type { TreeBlocks } from './tree-blocks.js'
import type { NamedBlocks } from './named-blocks.js'
import type { Committer } from './committer.js'

/** What discarding blocks takes. */
export interface DiscardParts {
  readonly state: TreeState
  readonly held: HeldMemory
  readonly blocks: TreeBlocks
  readonly named: NamedBlocks
  readonly committer: Committer
}

const ROWS_PER_TURN = 1000

type Candidates = Map<string, Digest>

/**
 * Those that were made and left the tree again between two versions: on this machine only, and of no use. Commits
 * first: until then a crash would bring their files back.
 */
export async function discardNeverPublished(parts: DiscardParts): Promise<void> {
  const { state, committer } = parts
  const from = state.counters.nextRemoved
  await committer.commit()
  const candidates: Candidates = new Map()
  for (const [, value] of state.tables.removed.range({ end: removedKey(from) })) {
    const row = decodeRemoved(value)
    if (row.kind === 'block' && row.born > state.published) candidates.set(hex(row.digest), Uint8Array.from(row.digest))
  }
  if (candidates.size > 0) await discardUnnamed(parts, candidates, from)
}

/** Those of `digests` that no row names. Commits first, for the same reason. */
export async function discardUnused(parts: DiscardParts, digests: readonly Digest[]): Promise<void> {
  if (digests.length === 0) return
  const from = parts.state.counters.nextRemoved
  await parts.committer.commit()
  await discardUnnamed(parts, new Map(digests.map((digest) => [hex(digest), digest])), from)
}

/** Those that nothing referred to in a published version, unless something does since. */
export async function discardSettled(parts: DiscardParts, commit: PublishedCommit): Promise<void> {
  const { discarded, sequence, removedBefore } = commit
  const { named } = parts
  if (discarded.length === 0) return
  const candidates: Candidates = new Map(discarded.map((digest) => [hex(digest), digest]))
  if (named.since !== sequence) return discardUnnamed(parts, candidates, removedBefore)
  for (const name of named.names) candidates.delete(name)
  discard(parts, candidates)
}

/** @param from the `removed` row with which begins what may be missing in the commit that is durable */
async function discardUnnamed(parts: DiscardParts, candidates: Candidates, from: number): Promise<void> {
  const { chunks, removed } = parts.state.tables
  await parts.named.whileScanning(async (namedMeanwhile) => {
    let rows = 0
    for (const [key, value] of chunks.range()) {
      candidates.delete(hex(decodeChunk(secondOf(key), value).digest))
      if (++rows % ROWS_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    // From here on nothing waits, so nothing is named any more.
    for (const name of namedMeanwhile) candidates.delete(name)
    for (const [, value] of removed.range({ start: removedKey(from) })) {
      const row = decodeRemoved(value)
      if (row.kind === 'block') candidates.delete(hex(row.digest))
    }
    discard(parts, candidates)
  })
}

function discard({ held, blocks }: DiscardParts, candidates: Candidates): void {
  // Sealed, and waiting for an earlier part of their file.
  for (const { content } of held.files.keys()) {
    for (const { sealed } of content?.pieces ?? []) {
      for (const { digest } of sealed?.chunks ?? []) candidates.delete(hex(digest))
    }
  }
  if (candidates.size > 0) blocks.store.discard([...candidates.values()])
}
