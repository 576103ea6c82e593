/**
 * Deletes blocks that left the tree from this machine. A block referenced by a row, in the tree or in the durable
 * commit, is never deleted.
 */
import { hex, type Digest } from '../../base/index.js'
import { decodeChunk, decodeRemoved, removedKey, secondOf, type PublishedCommit } from '../../tree-state/index.js'
import type { TreeState } from '../inodes/tree-state.js'
import type { HeldMemory } from '../staging/held-memory.js'
import type { TreeBlocks } from '../staging/tree-blocks.js'
import type { NamedBlocks } from '../staging/named-blocks.js'
import type { Committer } from '../staging/committer.js'

/** The parts that discarding uses. */
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
 * Discards blocks that were created and removed between two versions: they exist only on this machine, and nothing
 * needs them. Commits first, because until then a crash would bring their files back.
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

/**
 * Discards those of `digests` that no row references. Commits first: until then a crash would bring their files back.
 */
export async function discardUnused(parts: DiscardParts, digests: readonly Digest[]): Promise<void> {
  if (digests.length === 0) return
  const from = parts.state.counters.nextRemoved
  await parts.committer.commit()
  await discardUnnamed(parts, new Map(digests.map((digest) => [hex(digest), digest])), from)
}

/** Discards blocks that no published version references, unless a row has referenced them since. */
export async function discardSettled(parts: DiscardParts, commit: PublishedCommit): Promise<void> {
  const { discarded, sequence, removedBefore } = commit
  const { named } = parts
  if (discarded.length === 0) return
  const candidates: Candidates = new Map(discarded.map((digest) => [hex(digest), digest]))
  if (named.since !== sequence) return discardUnnamed(parts, candidates, removedBefore)
  for (const name of named.names) candidates.delete(name)
  discard(parts, candidates)
}

/** @param from the first `removed` row that the durable commit may not have */
async function discardUnnamed(parts: DiscardParts, candidates: Candidates, from: number): Promise<void> {
  const { chunks, removed } = parts.state.tables
  await parts.named.whileScanning(async (namedMeanwhile) => {
    let rows = 0
    for (const [key, value] of chunks.range()) {
      candidates.delete(hex(decodeChunk(secondOf(key), value).digest))
      if (++rows % ROWS_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    // There is no await from here on, so no new references appear.
    for (const name of namedMeanwhile) candidates.delete(name)
    for (const [, value] of removed.range({ start: removedKey(from) })) {
      const row = decodeRemoved(value)
      if (row.kind === 'block') candidates.delete(hex(row.digest))
    }
    discard(parts, candidates)
  })
}

function discard({ held, blocks }: DiscardParts, candidates: Candidates): void {
  // Sealed chunks that wait for an earlier piece of their file.
  for (const { content } of held.files.keys()) {
    for (const { sealed } of content?.pieces ?? []) {
      for (const { digest } of sealed?.chunks ?? []) candidates.delete(hex(digest))
    }
  }
  if (candidates.size > 0) blocks.store.discard([...candidates.values()])
}
