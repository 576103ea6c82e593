/** Blocks that were made and left the tree again between two versions: on this machine only, and of no use. */
import { hex, type Digest } from '../base/index.js'
import { decodeChunk, decodeRemoved, secondOf } from '../store/index.js'
import type { Volume } from './volume.js'

const ROWS_PER_TURN = 1000

/** As of the moment it resolves: discard them without waiting for anything in between. */
export async function neverPublished(volume: Volume): Promise<Digest[]> {
  const { tables, published } = volume
  const candidates = new Map<string, Digest>()
  for (const [, value] of tables.removed.range()) {
    const row = decodeRemoved(value)
    if (row.kind === 'block' && row.born > published) candidates.set(hex(row.digest), Uint8Array.from(row.digest))
  }
  if (candidates.size === 0) return []
  const namedSince = (volume.namedSinceLook = new Set<string>())
  let rows = 0
  for (const [key, value] of tables.chunks.range()) {
    candidates.delete(hex(decodeChunk(secondOf(key), value).digest))
    if (++rows % ROWS_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  volume.namedSinceLook = undefined
  for (const name of namedSince) candidates.delete(name)
  // Sealed, and waiting for an earlier part of their file.
  for (const { content } of volume.held.files.keys()) {
    for (const { sealed } of content?.pieces ?? []) {
      for (const { digest } of sealed?.chunks ?? []) candidates.delete(hex(digest))
    }
  }
  return [...candidates.values()]
}
