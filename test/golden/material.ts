/** The keys, the blocks and the counts of the golden drive while it is made. */
import { hex, seededRandom, type Digest } from '../../src/base/index.js'
import { deriveDriveKeys } from '../../src/crypto/index.js'
import { buildMap, type Block, type EntryRecord, type MapRow, type TreeRef } from '../../src/dag/index.js'
import { createCore } from '../../src/pipeline/index.js'
import { describeEntry, type GoldenEntry } from './golden-drive.js'

/** Drawn from in one order: the drive is the same each time. */
export const random = seededRandom(20261120)
export const rootKey = random.bytes(32)
export const keys = deriveDriveKeys(rootKey)
export const core = createCore('javascript')
export const driveId = random.bytes(16)

/** Every block ever made. */
export const blocks = new Map<string, Block>()
/** The refcount of each private block in the version being built. */
let uses = new Map<string, { digest: Digest; count: number }>()
/** What it holds. */
let expected: GoldenEntry[] = []

/** Begins another version. */
export function beginVersion(): void {
  uses = new Map()
  expected = []
}

/** The private blocks of the version, and what it holds. */
export const builtVersion = (): { uses: typeof uses; expected: GoldenEntry[] } => ({ uses, expected })

/** Records an entry that the version holds. */
export function noted(path: string, entry: EntryRecord, bytes?: Uint8Array): EntryRecord {
  expected.push(describeEntry(path, entry, bytes))
  return entry
}

/** Seals a map, and counts its blocks. */
export function putMap(rows: readonly MapRow[]): TreeRef | undefined {
  if (rows.length === 0) return undefined
  const built = buildMap(rows, { random })
  for (const block of built.blocks) use(put(block).digest)
  return built.ref
}

/** Keeps a block. */
export function put(block: Block): Block {
  blocks.set(hex(block.digest), block)
  return block
}

/** Counts one more use of a private block. */
export function use(digest: Digest): void {
  const row = uses.get(hex(digest)) ?? { digest, count: 0 }
  row.count++
  uses.set(hex(digest), row)
}
