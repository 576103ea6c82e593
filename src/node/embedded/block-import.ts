/**
 * Imports blocks into the store. Each block is verified and appended to a segment, and enters the index only after its
 * bytes are on the disk. Memory is bounded: blocks read from the caller but not yet written stay below `BATCH`.
 */
import { DriveError, hex, MIB, throwIfAborted, type Digest } from '../../base/index.js'
import type { CallOptions, ImportResult, NodeBlock } from '../contract.js'
import { parseCid } from '../../dag/index.js'
import { matches } from '../verify-block.js'
import { MAX_BLOCK_BYTES } from './block-record.js'
import type { BlockIndex } from './block-index.js'
import type { BlockLocation, GrowingSegments } from '../../storage/segments/index.js'

const BATCH = { BYTES: 4 * MIB, BLOCKS: 1024 } as const
/** An interrupted import keeps the committed blocks; a commit costs two syncs. */
const COMMIT = { BYTES: 64 * MIB, BLOCKS: 16_384 } as const

export interface ImportOptions extends CallOptions {
  readonly onProgress?: ((done: { blocks: number; bytes: number }) => void) | undefined
  /** The store has a sound copy of this block. */
  readonly holds: (digest: Digest) => boolean
  /** Throws NO_SPACE when the disk has no space for that many bytes. */
  readonly requireSpace: (bytes: number) => Promise<void>
  /** Takes blocks from the block cache of this machine without a copy. @returns their locations; undefined: copy it */
  readonly share?: ((blocks: readonly NodeBlock[]) => Promise<(BlockLocation | undefined)[]>) | undefined
  /** These blocks are durable now. */
  readonly onStored: (digests: readonly Digest[]) => void
}

export async function importBlocks(
  blocks: AsyncIterable<NodeBlock> | Iterable<NodeBlock>,
  segments: GrowingSegments,
  index: BlockIndex,
  options: ImportOptions,
): Promise<ImportResult> {
  const done = { blocks: 0, bytes: 0 }
  const fresh = new Map<string, NodeBlock & { digest: Digest }>()
  const written = new Map<string, readonly [Digest, BlockLocation]>()
  let freshBytes = 0
  let writtenBytes = 0

  const copy = async (batch: readonly [string, NodeBlock & { digest: Digest }][]): Promise<void> => {
    await options.requireSpace(batch.reduce((sum, [, { bytes }]) => sum + bytes.byteLength, 0))
    const locations = await segments.append(batch.map(([, { bytes }]) => bytes))
    batch.forEach(([id, { digest }], i) => written.set(id, [digest, locations[i]!]))
  }
  const write = async (): Promise<void> => {
    const shared = (await options.share?.([...fresh.values()])) ?? []
    let at = 0
    for (const [id, { digest }] of [...fresh]) {
      const location = shared[at++]
      if (location === undefined) continue
      written.set(id, [digest, location])
      fresh.delete(id)
    }
    if (fresh.size > 0) await copy([...fresh])
    writtenBytes += freshBytes
    freshBytes = 0
    fresh.clear()
    options.onProgress?.({ ...done })
  }
  const commit = async (): Promise<void> => {
    await segments.sync(Array.from(written.values(), ([, location]) => location))
    await index.commit({ blocks: written.values() })
    options.onStored(Array.from(written.values(), ([digest]) => digest))
    written.clear()
    writtenBytes = 0
  }

  try {
    for await (const block of blocks) {
      throwIfAborted(options.signal)
      const { digest } = parseCid(block.cid)
      if (block.bytes.byteLength > MAX_BLOCK_BYTES) throw tooLarge(block.cid)
      if (!matches(block.bytes, digest)) throw wrongBlock(block.cid)
      done.blocks++
      done.bytes += block.bytes.byteLength
      const id = hex(digest)
      if (fresh.has(id) || written.has(id) || options.holds(digest)) continue
      fresh.set(id, { ...block, digest: Uint8Array.from(digest) })
      freshBytes += block.bytes.byteLength
      if (freshBytes >= BATCH.BYTES || fresh.size >= BATCH.BLOCKS) await write()
      if (writtenBytes >= COMMIT.BYTES || written.size >= COMMIT.BLOCKS) await commit()
    }
    throwIfAborted(options.signal)
    if (fresh.size > 0) await write()
    if (written.size > 0) await commit()
  } catch (error) {
    await segments.discard(Array.from(written.values(), ([, location]) => location))
    throw error
  }
  options.onProgress?.({ ...done })
  return done
}

function wrongBlock(cid: string): DriveError {
  return new DriveError('WRONG_BLOCK', 'A block does not match its CID and was not stored.', { about: { cid } })
}

function tooLarge(cid: string): DriveError {
  return new DriveError('INVALID', 'The block is larger than the limit of a block store.', { about: { cid } })
}
