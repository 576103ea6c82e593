/** A block store in a temporary directory, and blocks for it. */
import { type ExecutionContext } from 'ava'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { seededRandom, silentLog, type Digest } from '../../../src/base/index.js'
import { openBlockStore, type BlockStoreOptions } from '../../../src/storage/blocks/block-store.js'
import type { BlockStore, IndexedBlock } from '../../../src/storage/blocks/contract.js'
import type { SegmentWriter } from '../../../src/storage/segments/contract.js'
import { scratchDirectory } from './storage.js'

export const seed = (process.pid * 3266489917) >>> 0 || 1

export const random = seededRandom(seed)

export const KIB = 1024

export interface Block {
  readonly digest: Digest
  readonly bytes: Uint8Array
}

export function makeBlock(length: number): Block {
  const bytes = Buffer.from(random.bytes(length))
  return { bytes, digest: createHash('sha256').update(bytes).digest() }
}

export function write(writer: SegmentWriter, blocks: readonly Block[]): IndexedBlock[] {
  const lengths = blocks.map(({ bytes }) => bytes.length)
  const locations = writer.append(Buffer.concat(blocks.map(({ bytes }) => bytes)), lengths)
  return blocks.map(({ digest }, i) => ({ digest, location: locations[i]! }))
}

export async function holds(t: ExecutionContext, store: BlockStore, block: Block): Promise<void> {
  t.true(store.has(block.digest))
  t.true(same(await store.read(block.digest), block.bytes))
  t.true(same(store.readNow(block.digest, true), block.bytes))
}

/** deepEqual is slow for long buffers. */
export const same = (a: Uint8Array | undefined, b: Uint8Array): boolean => a !== undefined && Buffer.compare(a, b) === 0

export function lacks(t: ExecutionContext, store: BlockStore, digest: Digest): void {
  t.false(store.has(digest))
  t.is(store.locate(digest), undefined)
  t.is(store.readNow(digest, true), undefined)
}

export const segmentNames = (store: BlockStore): string[] => readdirSync(store.segmentDirectory)

export async function withStore(
  use: (open: () => Promise<BlockStore>) => Promise<void>,
  options: Partial<BlockStoreOptions> = {},
) {
  const scratch = scratchDirectory()
  let store: BlockStore | undefined
  try {
    await use(async () => (store = await openBlockStore({ directory: scratch.path, log: silentLog, ...options })))
  } finally {
    await store?.close()
    scratch.remove()
  }
}
