/** Blocks that left the tree go from this machine. What a row names, in the tree or in the commit that is durable, never does. */
import { hex, type Digest } from '../../base/index.js'
import { decodeChunk, decodeRemoved, removedKey, secondOf, type PublishedCommit } from '../../tree-state/index.js'
import type { Volume } from '../volume.js'

const ROWS_PER_TURN = 1000

type Candidates = Map<string, Digest>

/**
 * Those that were made and left the tree again between two versions: on this machine only, and of no use. Commits first: until then a crash
 * would bring their files back.
 */
export async function discardNeverPublished(volume: Volume): Promise<void> {
  const { tables, published, counters, committer } = volume
  const from = counters.nextRemoved
  await committer.commit()
  const candidates: Candidates = new Map()
  for (const [, value] of tables.removed.range({ end: removedKey(from) })) {
    const row = decodeRemoved(value)
    if (row.kind === 'block' && row.born > published) candidates.set(hex(row.digest), Uint8Array.from(row.digest))
  }
  if (candidates.size > 0) await discardUnnamed(volume, candidates, from)
}

/** Those of `digests` that no row names. Commits first, for the same reason. */
export async function discardUnused(volume: Volume, digests: readonly Digest[]): Promise<void> {
  if (digests.length === 0) return
  const from = volume.counters.nextRemoved
  await volume.committer.commit()
  await discardUnnamed(volume, new Map(digests.map((digest) => [hex(digest), digest])), from)
}

/** Those that nothing referred to in a published version, unless something does since. */
export async function discardSettled(volume: Volume, commit: PublishedCommit): Promise<void> {
  const { discarded, sequence, removedBefore } = commit
  const { named } = volume
  if (discarded.length === 0) return
  const candidates: Candidates = new Map(discarded.map((digest) => [hex(digest), digest]))
  if (named.since !== sequence) return discardUnnamed(volume, candidates, removedBefore)
  for (const name of named.digests) candidates.delete(name)
  discard(volume, candidates)
}

/** @param from the `removed` row with which begins what may be missing in the commit that is durable */
async function discardUnnamed(volume: Volume, candidates: Candidates, from: number): Promise<void> {
  const { chunks, removed } = volume.tables
  const namedMeanwhile = (volume.namedSinceLook = new Set())
  try {
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
    discard(volume, candidates)
  } finally {
    volume.namedSinceLook = undefined
  }
}

function discard({ held, blocks }: Volume, candidates: Candidates): void {
  // Sealed, and waiting for an earlier part of their file.
  for (const { content } of held.files.keys()) {
    for (const { sealed } of content?.pieces ?? []) {
      for (const { digest } of sealed?.chunks ?? []) candidates.delete(hex(digest))
    }
  }
  if (candidates.size > 0) blocks.discard([...candidates.values()])
}
