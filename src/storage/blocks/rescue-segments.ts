/**
 * Rewrites blocks of segments whose sync failed. Their bytes are still in the page cache, or were never lost. They are
 * read, verified against their digests and written to a new segment. If the verification fails, the disk lost the
 * block.
 */
import { hash } from 'node:crypto'
import { DriveError, equalBytes, MIB, type Digest } from '../../base/index.js'
import type { BlockLocation, SegmentFiles } from '../segments/index.js'
import type { BlockRows } from './block-rows.js'
import { digestsIn } from './digests-in.js'

const BATCH_BYTES = 4 * MIB
const SHA256_BYTES = 32

export interface RescueParts {
  readonly rows: BlockRows
  readonly files: Pick<SegmentFiles, 'read'>
  /** Appends to a segment that had no failed sync. */
  append(bytes: Uint8Array, lengths: readonly number[]): BlockLocation[]
  /** The block has moved; its old bytes are dead. */
  moved(digest: Digest, from: BlockLocation, to: BlockLocation): void
  /** A node has the block, and its local bytes are lost. */
  lost(digest: Digest): void
}

/** @throws INTERNAL when the bytes of an only copy are lost; NO_SPACE when there is no space to rewrite them */
export async function rescueSegments(segments: ReadonlySet<number>, parts: RescueParts): Promise<number> {
  const digests = await digestsIn(segments, parts.rows)
  let batch: { digest: Digest; from: BlockLocation; bytes: Uint8Array }[] = []
  let bytes = 0
  const write = (): void => {
    if (batch.length === 0) return
    const all = Buffer.concat(batch.map((one) => one.bytes))
    const locations = parts.append(
      all,
      batch.map((one) => one.bytes.length),
    )
    batch.forEach(({ digest, from }, i) => {
      const now = parts.rows.get(digest)?.location
      if (now?.segment === from.segment && now.offset === from.offset) parts.moved(digest, from, locations[i]!)
    })
    batch = []
    bytes = 0
  }
  for (const digest of digests) {
    const row = parts.rows.get(digest)
    if (row === undefined || !segments.has(row.location.segment)) continue
    const read = await parts.files.read(row.location)
    if (read !== undefined && isSound(read, digest)) {
      batch.push({ digest, from: row.location, bytes: read })
      bytes += read.length
      if (bytes >= BATCH_BYTES) write()
    } else if (row.tick === 0) {
      throw new DriveError('INTERNAL', 'The disk lost block data before it was durable; restart the drive.')
    } else {
      parts.lost(digest)
    }
  }
  write()
  return digests.length
}

function isSound(bytes: Uint8Array, digest: Digest): boolean {
  return digest.length === SHA256_BYTES && equalBytes(hash('sha256', bytes, 'buffer'), digest)
}
