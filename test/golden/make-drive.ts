/**
 * Makes the golden drive of format 1 from fixed seeds: `node dist/test/golden/make-drive.js fixtures/golden/v1`. It was
 * made once, and every later release must open it. Never overwrite it: a new format gets a new folder.
 */
import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hex, nameFromText, seededRandom, type Digest, type PlainName } from '../../src/base/index.js'
import { deriveDriveKeys, phraseOfRootKey, publicKeyOfSeed } from '../../src/crypto/index.js'
import {
  buildMap,
  carStream,
  chunkRow,
  cidOf,
  digestsWithin,
  directoryRows,
  driveSequence,
  duplicateRow,
  linkRow,
  makeNameRecord,
  nameOfKey,
  sealCommit,
  sortRows,
  updatePinTree,
  versionRootBlock,
  type Block,
  type Commit,
  type EntryRecord,
  type FileChunk,
  type MapRow,
  type TreeRef,
} from '../../src/dag/index.js'
import { createCore } from '../../src/pipeline/index.js'
import { describeEntry, type GoldenDrive, type GoldenEntry } from './golden-drive.js'

const DEVICE_SLOT = 3
const TIME_MS = Date.UTC(2026, 10, 20, 12, 0, 0, 123)
const random = seededRandom(20261120)
const rootKey = random.bytes(32)
const keys = deriveDriveKeys(rootKey)
const core = createCore('javascript')
const driveId = random.bytes(16)

/** Every block ever made, and the refcount of each private one in the version being built. */
const blocks = new Map<string, Block>()
let uses = new Map<string, { digest: Digest; count: number }>()
let expected: GoldenEntry[] = []

await main(process.argv[2] ?? 'fixtures/golden/v1')

async function main(folder: string): Promise<void> {
  const first = version(1, [], 'Hello from the first version.\n')
  const second = version(2, [first.digest], 'Hello from the second version.\n')
  const cid = cidOf(second.digest, 'dag-pb')
  const drive: GoldenDrive = {
    format: 1,
    phrase: phraseOfRootKey(rootKey),
    rootKey: hex(rootKey),
    driveId: hex(driveId),
    versions: [cidOf(first.digest, 'dag-pb'), cid],
    names: [
      signedName(keys.driveNameSeed, cid, driveSequence(2, DEVICE_SLOT)),
      signedName(keys.deviceSeed(DEVICE_SLOT), cid, 2),
    ],
    entries: expected,
    forest: pinTreeVector(),
  }
  const car = carStream(
    [cid],
    Array.from(blocks.values(), ({ digest, codec, bytes }) => ({ cid: cidOf(digest, codec), bytes })),
  )
  const chunks: Uint8Array[] = []
  for await (const chunk of car) chunks.push(chunk)
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'drive.car'), Buffer.concat(chunks), { flag: 'wx' })
  await writeFile(join(folder, 'drive.json'), asText(drive), { flag: 'wx' })
}

/** JSON with one entry per line, for readable diffs. */
function asText({ entries, ...drive }: GoldenDrive): string {
  const head = JSON.stringify(drive, undefined, 2).slice(0, -2)
  return `${head},\n  "entries": [\n${entries.map((entry) => `    ${JSON.stringify(entry)}`).join(',\n')}\n  ]\n}\n`
}

function signedName(seed: Uint8Array, cid: string, sequence: number): GoldenDrive['names'][number] {
  const record = { cid, sequence, validUntilMs: TIME_MS + 30 * 86_400_000, ttlMs: 60_000 }
  return { name: nameOfKey(publicKeyOfSeed(seed)), ...record, record: hex(makeNameRecord(record, seed)) }
}

function version(height: number, parents: readonly Digest[], greeting: string): Block {
  uses = new Map()
  expected = []
  const { root, links } = tree(greeting)
  const repeated = [...uses.values()].filter(({ count }) => count > 1)
  const duplicates = putMap(sortRows(repeated.map(({ digest, count }) => duplicateRow(digest, count - 1))))
  const live = Array.from(uses.values(), ({ digest }) => digest).sort((a, b) => Buffer.compare(a, b))
  const forest = pinTreeOf(live)
  for (const block of forest.blocks) put(block)
  const commit: Commit = {
    version: 1,
    driveId,
    height,
    parents,
    deviceSlot: DEVICE_SLOT,
    deviceName: 'göldener Läptop',
    timeMs: TIME_MS + height,
    root,
    links,
    duplicates,
    forest: forest.root,
    liveBlocks: live.length,
  }
  const sealed = put(sealCommit(commit, keys, random))
  return put(versionRootBlock({ commit: sealed.digest, forest: forest.root }))
}

function tree(greeting: string): { root: EntryRecord; links: TreeRef } {
  const linked = file('linked/one', { bytes: pattern(9000, 7), nlink: 2 })
  noted('linked/two', linked, pattern(9000, 7))
  const shared: EntryRecord = { ...linked, content: { kind: 'shared' } }
  const many = Array.from({ length: 500 }, (_, i): [string, EntryRecord] => {
    const name = `entry number ${String(i).padStart(4, '0')}`
    return [name, file(`many/${name}`, { bytes: Buffer.from(name) })]
  })
  const root = directory('', [
    ['docs', directory('docs', documents(greeting))],
    [
      'linked',
      directory('linked', [
        ['one', shared],
        ['two', shared],
      ]),
    ],
    ['many', directory('many', many)],
    ['nothing', directory('nothing', [])],
    ['pipe', noted('pipe', { ...attributes(0o010600), content: { kind: 'none' } })],
    ['device', noted('device', { ...attributes(0o020660), rdev: 0xfff00103, content: { kind: 'none' } })],
    ['shortcut', symlink('shortcut', 'docs/hello.txt')],
  ])
  return { root, links: putMap([linkRow(linked)])! }
}

function documents(greeting: string): [string, EntryRecord][] {
  const greetings = nameFromText('grüße.txt')
  const oddName = Buffer.from([0xff, 0x01, 0x20, 0x0a]).toString('latin1')
  const xattrs = [
    { name: 'user.comment', value: Buffer.from('a comment') },
    { name: 'user.empty', value: new Uint8Array(0) },
  ]
  return [
    ['hello.txt', file('docs/hello.txt', { bytes: Buffer.from(greeting), xattrs })],
    ['empty', file('docs/empty', { bytes: new Uint8Array(0) })],
    ['one chunk', file('docs/one chunk', { bytes: pattern(70_001, 1) })],
    ['sparse', file('docs/sparse', { sparse: { offset: 1_000_000, bytes: pattern(5000, 2), size: 3_000_000 } })],
    ['long list', longList('docs/long list')],
    [greetings, file(`docs/${greetings}`, { bytes: Buffer.from('names are bytes'), times: -1.5 })],
    [oddName, file(`docs/${oddName}`, { bytes: Buffer.from('no text at all') })],
  ]
}

interface FileInput {
  readonly bytes?: Uint8Array
  readonly sparse?: { readonly offset: number; readonly bytes: Uint8Array; readonly size: number }
  readonly xattrs?: EntryRecord['xattrs']
  readonly nlink?: number
  readonly times?: number
}

function file(path: string, input: FileInput): EntryRecord {
  const { sparse, bytes = new Uint8Array(0), xattrs = [], nlink = 1 } = input
  const whole = sparse === undefined ? bytes : new Uint8Array(sparse.size)
  if (sparse !== undefined) whole.set(sparse.bytes, sparse.offset)
  const content = sparse === undefined ? contentOf(bytes) : chunksOf(sparse.bytes, sparse.offset)
  const base = attributes(0o100644)
  const times = input.times === undefined ? {} : { mtimeSec: Math.floor(input.times), mtimeNsec: 500_000_000 }
  return noted(path, { ...base, ...times, nlink, xattrs, size: whole.length, content }, whole)
}

/** 20 runs over three leaf blocks, so that the list is a separate map and blocks repeat. */
function longList(path: string): EntryRecord {
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

function symlink(path: string, target: string): EntryRecord {
  const bytes = Buffer.from(target)
  return noted(path, { ...attributes(0o120777), size: bytes.length, content: { kind: 'inline', bytes } }, bytes)
}

function directory(path: string, children: Iterable<readonly [string, EntryRecord]>): EntryRecord {
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

function attributes(mode: number): Omit<EntryRecord, 'content'> {
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

function noted(path: string, entry: EntryRecord, bytes?: Uint8Array): EntryRecord {
  expected.push(describeEntry(path, entry, bytes))
  return entry
}

function putMap(rows: readonly MapRow[]): TreeRef | undefined {
  if (rows.length === 0) return undefined
  const built = buildMap(rows, { random })
  for (const block of built.blocks) use(put(block).digest)
  return built.ref
}

function put(block: Block): Block {
  blocks.set(hex(block.digest), block)
  return block
}

function use(digest: Digest): void {
  const row = uses.get(hex(digest)) ?? { digest, count: 0 }
  row.count++
  uses.set(hex(digest), row)
}

function pinTreeOf(live: readonly Digest[]): ReturnType<typeof updatePinTree> {
  return updatePinTree({
    count: live.length,
    previousBits: undefined,
    previousNode: () => undefined,
    changed: [],
    digests: digestsWithin(live),
  })
}

/** A pin tree of three levels: the SHA-256 of each number from 0, in decimal. */
function pinTreeVector(): GoldenDrive['forest'] {
  const live = Array.from({ length: 60_000 }, (_, i) => new Uint8Array(createHash('sha256').update(String(i)).digest()))
  const forest = pinTreeOf(live.sort((a, b) => Buffer.compare(a, b)))
  return { numbers: live.length, bits: forest.bits, nodes: forest.blocks.length, root: cidOf(forest.root, 'dag-pb') }
}

function pattern(length: number, seed: number): Uint8Array {
  return seededRandom(seed).bytes(length)
}
