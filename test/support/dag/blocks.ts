/** Blocks in memory and damaged copies of bytes, for the tests of dag. */
import { DriveError, hex, type seededRandom } from '../../../src/base/index.js'
import type { Block, EntryRecord, FetchBlock } from '../../../src/dag/contract.js'

export type SeededRandom = ReturnType<typeof seededRandom>

/** Blocks by digest. `fetch` counts its calls and rejects with NOT_FOUND. */
export class MemoryBlocks {
  readonly #blocks = new Map<string, Block>()
  fetched = 0

  add(blocks: Iterable<Block>): this {
    for (const block of blocks) this.#blocks.set(hex(block.digest), block)
    return this
  }

  get size(): number {
    return this.#blocks.size
  }

  values(): Iterable<Block> {
    return this.#blocks.values()
  }

  readonly fetch: FetchBlock = async (digest, codec) => {
    this.fetched++
    await new Promise((resolve) => setImmediate(resolve))
    const block = this.#blocks.get(hex(digest))
    if (block?.codec !== codec) throw new DriveError('NOT_FOUND', 'No such block.')
    return block.bytes
  }
}

/** One to four bits flipped, or a truncation, or bytes appended. */
export function damaged(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const kind = random.next(4)
  if (kind === 0) return bytes.slice(0, random.next(Math.max(bytes.length, 1)))
  if (kind === 1) return Buffer.concat([bytes, random.bytes(1 + random.next(40))])
  const copy = Uint8Array.from(bytes)
  for (let i = random.next(4); i >= 0; i--) copy[random.next(copy.length)]! ^= 1 << random.next(8)
  return copy
}

/** A file entry with the given content and random attributes. */
export function randomEntry(random: SeededRandom, content: EntryRecord['content'], type = 0o100000): EntryRecord {
  const seconds = (): number => random.next(0x7fffffff) - random.next(0x7fffffff)
  return {
    fileId: random.bytes(16),
    mode: type | random.next(0o10000),
    uid: random.next(0xffffffff),
    gid: random.next(70_000),
    nlink: 1 + random.next(3),
    rdev: 0,
    size:
      content.kind === 'inline' ? content.bytes.length : random.next(0xffffffff) * (random.next(2) === 0 ? 1 : 2 ** 20),
    atimeSec: seconds(),
    atimeNsec: random.next(1_000_000_000),
    mtimeSec: seconds(),
    mtimeNsec: random.next(1_000_000_000),
    ctimeSec: seconds(),
    ctimeNsec: random.next(1_000_000_000),
    btimeSec: seconds(),
    btimeNsec: random.next(1_000_000_000),
    fixedChunks: random.next(2) === 0,
    xattrs: Array.from({ length: random.next(3) }, (_, i) => ({
      name: `user.${i}é`,
      value: random.bytes(random.next(50)),
    })),
    content,
  }
}

export function randomContent(random: SeededRandom): EntryRecord['content'] {
  const kind = random.next(5)
  if (kind === 0) return { kind: 'none' }
  if (kind === 1) return { kind: 'inline', bytes: random.bytes(random.next(2049)) }
  if (kind === 2) return { kind: 'tree', ref: { digest: random.bytes(32), key: random.bytes(32) } }
  if (kind === 3) return { kind: 'shared' }
  let offset = 0
  const chunks = Array.from({ length: 1 + random.next(16) }, () => {
    const from = offset + random.next(3) * 4096
    const length = 1 + random.next(500_000)
    offset = from + length
    return { offset: from, length, skip: random.next(9), digest: random.bytes(32), key: random.bytes(32) }
  })
  return { kind: 'chunks', chunks }
}
