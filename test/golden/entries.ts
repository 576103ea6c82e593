/** Entries of the golden drive: files with every kind of content, links and directories. */
import { seededRandom, type PlainName } from '../../src/base/index.js'
import { chunkRow, directoryRows, type EntryRecord, type FileChunk } from '../../src/dag/index.js'
import { core, keys, noted, put, putMap, random, use } from './material.js'

/** What a file holds. */
export interface FileInput {
  readonly bytes?: Uint8Array
  readonly sparse?: { readonly offset: number; readonly bytes: Uint8Array; readonly size: number }
  readonly xattrs?: EntryRecord['xattrs']
  readonly nlink?: number
  readonly times?: number
}

/** A file with its content. */
export function file(path: string, input: FileInput): EntryRecord {
  const { sparse, bytes = new Uint8Array(0), xattrs = [], nlink = 1 } = input
  const whole = sparse === undefined ? bytes : new Uint8Array(sparse.size)
  if (sparse !== undefined) whole.set(sparse.bytes, sparse.offset)
  const content = sparse === undefined ? contentOf(bytes) : chunksOf(sparse.bytes, sparse.offset)
  const base = attributes(0o100644)
  const times = input.times === undefined ? {} : { mtimeSec: Math.floor(input.times), mtimeNsec: 500_000_000 }
  return noted(path, { ...base, ...times, nlink, xattrs, size: whole.length, content }, whole)
}

/** 20 runs over three leaf blocks, so that the list is a separate map and blocks repeat. */
export function longList(path: string): EntryRecord {
  const leaves = [11, 12, 13].map((seed) => ({ bytes: pattern(4000, seed), leaf: leafOf(pattern(4000, seed)) }))
  const whole = new Uint8Array(20 * 1500)
  const rows = Array.from({ length: 20 }, (_, i) => {
    const { bytes, leaf } = leaves[i % 3]!
    const run = { offset: i * 1500, length: 1000, skip: i * 100 }
    whole.set(bytes.subarray(run.skip, run.skip + run.length), run.offset)
    use(leaf.digest)
    return chunkRow({ ...leaf, ...run })
  })
  const ref = putMap(rows)!
  const entry: EntryRecord = {
    ...attributes(0o100600),
    size: whole.length,
    fixedChunks: true,
    content: { kind: 'tree', ref },
  }
  return noted(path, entry, whole)
}

/** A symbolic link. */
export function symlink(path: string, target: string): EntryRecord {
  const bytes = Buffer.from(target)
  return noted(path, { ...attributes(0o120777), size: bytes.length, content: { kind: 'inline', bytes } }, bytes)
}

/** A directory with its children. */
export function directory(path: string, children: Iterable<readonly [string, EntryRecord]>): EntryRecord {
  const ref = putMap(directoryRows(Array.from(children, ([name, entry]) => [name as PlainName, entry] as const)))
  return noted(path, { ...attributes(0o040755), content: ref === undefined ? { kind: 'none' } : { kind: 'tree', ref } })
}

function contentOf(bytes: Uint8Array): EntryRecord['content'] {
  if (bytes.length === 0) return { kind: 'none' }
  return bytes.length <= 2048 ? { kind: 'inline', bytes } : chunksOf(bytes, 0)
}

function chunksOf(bytes: Uint8Array, at: number): EntryRecord['content'] {
  const chunks: FileChunk[] = []
  let from = 0
  for (const end of core.cut(bytes, 'content-defined', true, keys)) {
    const leaf = leafOf(bytes.subarray(from, end))
    use(leaf.digest)
    chunks.push({ ...leaf, offset: at + from, length: end - from, skip: 0 })
    from = end
  }
  return { kind: 'chunks', chunks }
}

function leafOf(plain: Uint8Array): Pick<FileChunk, 'digest' | 'key'> {
  const { sealed, digest, key } = core.sealLeaf(plain, keys)
  put({ digest, bytes: sealed, codec: 'raw' })
  return { digest, key }
}

/** The attributes of every entry, but for what it says of itself. */
export function attributes(mode: number): Omit<EntryRecord, 'content'> {
  const [sec, nsec] = [1_700_000_000, 123_456_789]
  return {
    fileId: random.bytes(16),
    mode,
    uid: 1000,
    gid: 100,
    nlink: 1,
    rdev: 0,
    size: 0,
    atimeSec: sec,
    atimeNsec: nsec,
    mtimeSec: sec + 1,
    mtimeNsec: 0,
    ctimeSec: sec + 2,
    ctimeNsec: 999_999_999,
    btimeSec: sec - 1,
    btimeNsec: 1,
    fixedChunks: false,
    xattrs: [],
  }
}

/** Bytes from a seed. */
export function pattern(length: number, seed: number): Uint8Array {
  return seededRandom(seed).bytes(length)
}
