/**
 * The frozen drives in fixtures/golden: every later release opens them, and encodes the same content to the same bytes.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { testWhere } from '../support/available.js'
import { DriveError, hex, seededRandom, type Digest } from '../../src/base/index.js'
import { deriveDriveKeys, publicKeyOfSeed, rootKeyOfPhrase } from '../../src/crypto/index.js'
import {
  buildMap,
  cidOf,
  digestsWithin,
  decodeVersionRoot,
  encodeEntry,
  findLink,
  makeNameRecord,
  nameOfKey,
  openCommit,
  openNameRecord,
  parseCid,
  readChunkList,
  readDirectoryTable,
  readDuplicates,
  readPinTree,
  readMap,
  readMapNodes,
  updatePinTree,
  type Block,
  type Commit,
  type EntryRecord,
  type FetchBlock,
  type TreeRef,
} from '../../src/dag/index.js'
import { readCar } from '../support/dag/car-read.js'
import { createCore } from '../../src/pipeline/index.js'
import { projectRoot } from '../support/sources.js'
import { describeEntry, type GoldenDrive, type GoldenEntry } from './golden-drive.js'

const FOLDER = join(projectRoot, 'fixtures/golden/v1')
const drive = JSON.parse(readFileSync(join(FOLDER, 'drive.json'), 'utf8')) as GoldenDrive
const rootKey = rootKeyOfPhrase(drive.phrase)
const keys = deriveDriveKeys(rootKey)
const core = createCore('javascript')

/** The blocks of the CAR; `unread` has those that the reader did not request. */
async function openCar() {
  const car = await readCar([new Uint8Array(readFileSync(join(FOLDER, 'drive.car')))])
  const blocks = new Map<string, Block>()
  for await (const block of car.blocks) blocks.set(block.cid, block)
  const unread = new Set(blocks.keys())
  const fetch: FetchBlock = async (digest, codec) => {
    const cid = cidOf(digest, codec)
    const block = blocks.get(cid)
    if (block === undefined) throw new DriveError('NOT_FOUND', 'The golden drive lacks a block.')
    unread.delete(cid)
    return block.bytes
  }
  return { roots: car.roots, fetch, unread }
}

async function openVersion(cid: string, fetch: FetchBlock): Promise<Commit> {
  const root = decodeVersionRoot(await fetch(parseCid(cid).digest, 'dag-pb'))
  const commit = openCommit(await fetch(root.commit, 'raw'), keys)
  if (Buffer.compare(commit.forest, root.forest) !== 0) throw new DriveError('CORRUPT', 'Two pin trees.')
  return commit
}

test('golden v1: phrase and names resolve to the newest version', async (t) => {
  t.is(hex(rootKey), drive.rootKey)
  const { roots } = await openCar()
  t.deepEqual(
    roots.map(({ digest, codec }) => cidOf(digest, codec)),
    drive.versions.slice(-1),
  )
  const seeds = [keys.driveNameSeed, keys.deviceSeed(3)]
  for (const [i, { name, record, ...said }] of drive.names.entries()) {
    t.is(nameOfKey(publicKeyOfSeed(seeds[i]!)), name)
    const opened = openNameRecord(name, Buffer.from(record, 'hex'), { nowMs: said.validUntilMs - 1 })
    t.deepEqual(opened, said)
    t.is(hex(makeNameRecord(opened, seeds[i]!)), record)
  }
})

test('golden v1: the tree has every entry, attribute and byte', async (t) => {
  const { fetch, unread } = await openCar()
  const found: GoldenEntry[] = []
  for (const cid of drive.versions) {
    found.length = 0
    const commit = await openVersion(cid, fetch)
    t.is(hex(commit.driveId), drive.driveId)
    await walk('', commit.root, commit, fetch, found)
    await checkLive(commit, fetch, t)
  }
  const byPath = (a: GoldenEntry, b: GoldenEntry): number => (a.path < b.path ? -1 : 1)
  t.deepEqual(found.sort(byPath), drive.entries.toSorted(byPath))
  t.deepEqual([...unread], [], 'every block of the drive was read')
})

test('golden v1: the same content is encoded to the same bytes', async (t) => {
  const { fetch } = await openCar()
  const commit = await openVersion(drive.versions.at(-1)!, fetch)
  let [maps, nodes] = [0, 0]
  const rebuild = async (ref: TreeRef): Promise<void> => {
    const rows: [Uint8Array, Uint8Array][] = []
    for await (const row of readMap(ref, fetch)) rows.push([...row])
    const built = buildMap(rows, { random: seededRandom(1), previous: await readMapNodes(ref, fetch) })
    t.deepEqual(built.blocks, [])
    t.deepEqual(built.dropped, [])
    nodes += built.nodes.length
    maps++
  }
  const visit = async (entry: EntryRecord): Promise<void> => {
    if (entry.content.kind !== 'tree') return
    await rebuild(entry.content.ref)
    if ((entry.mode & 0o170000) !== 0o040000) return
    const values = new Map<string, string>()
    for await (const [key, value] of readMap(entry.content.ref, fetch))
      values.set(Buffer.from(key).toString('latin1'), hex(value))
    for await (const child of readDirectoryTable(entry.content.ref, fetch)) {
      t.is(hex(encodeEntry(child.entry)), values.get(child.name) ?? 'absent')
      await visit(child.entry)
    }
  }
  await visit(commit.root)
  await rebuild(commit.links!)
  await rebuild(commit.duplicates!)
  t.true(maps >= 6)
  t.true(nodes > maps, 'the content includes a map of several nodes')
})

test('golden v1: a set of digests gives the same pin tree', (t) => {
  const { numbers, bits, nodes, root } = drive.forest
  const live = Array.from({ length: numbers }, (_, i) => createHash('sha256').update(String(i)).digest())
  const forest = pinTreeOf(
    live.sort((a, b) => Buffer.compare(a, b)),
    undefined,
  )
  t.deepEqual(
    { bits: forest.bits, nodes: forest.blocks.length, root: cidOf(forest.root, 'dag-pb') },
    { bits, nodes, root },
  )
})

testWhere('python')('golden v1: a reader written only from docs/FORMAT.md gets the same result', (t) => {
  const reader = join(projectRoot, 'fixtures/golden/read_drive.py')
  const files = ['drive.car', 'drive.json'].map((name) => join(FOLDER, name))
  const { status, stdout, stderr } = spawnSync('python3', [reader, ...files], { encoding: 'utf8', timeout: 60_000 })
  t.is(status, 0, stderr)
  t.is(stdout, `${drive.entries.length} entries, 30 blocks, as described\n`)
})

async function walk(
  path: string,
  entry: EntryRecord,
  commit: Commit,
  fetch: FetchBlock,
  found: GoldenEntry[],
): Promise<void> {
  const own = entry.content.kind === 'shared' ? (await findLink(commit.links!, entry.fileId, fetch))! : entry
  const isDirectory = (own.mode & 0o170000) === 0o040000
  const hasBytes = [0o100000, 0o120000].includes(own.mode & 0o170000)
  found.push(describeEntry(path, own, hasBytes ? await bytesOf(own, fetch) : undefined))
  if (!isDirectory || own.content.kind !== 'tree') return
  for await (const { name, entry: child } of readDirectoryTable(own.content.ref, fetch)) {
    await walk(path === '' ? name : `${path}/${name}`, child, commit, fetch, found)
  }
}

async function bytesOf({ size, content }: EntryRecord, fetch: FetchBlock): Promise<Uint8Array> {
  if (content.kind === 'inline') return content.bytes
  const bytes = new Uint8Array(size)
  const chunks = content.kind === 'chunks' ? content.chunks : []
  const listed = content.kind === 'tree' ? readChunkList(content.ref, fetch) : chunks
  for await (const { offset, length, skip, digest, key } of listed) {
    const sealed = await fetch(digest, 'raw')
    const plain = core.openLeaf(sealed, key)
    bytes.set(plain.subarray(skip, skip + length), offset)
    const again = core.sealLeaf(plain, keys)
    if (Buffer.compare(again.digest, digest) !== 0) throw new DriveError('CORRUPT', 'A leaf is sealed differently.')
  }
  return bytes
}

/** The pin tree links to exactly `liveBlocks` blocks, including the duplicates, and each of them exists. */
async function checkLive(
  commit: Commit,
  fetch: FetchBlock,
  t: { is(a: unknown, b: unknown): void; true(a: boolean): void },
) {
  const live: Digest[] = []
  let bits = -1
  for await (const leaf of readPinTree(commit.forest, fetch)) {
    live.push(...leaf.digests)
    bits = leaf.bits
  }
  t.is(live.length, commit.liveBlocks)
  t.is(hex(pinTreeOf(live, bits).root), hex(commit.forest))
  const known = new Set(live.map(hex))
  for (const digest of live) await fetch(digest, 'raw')
  for await (const { digest, extraUses } of readDuplicates(commit.duplicates!, fetch)) {
    t.true(known.has(hex(digest)) && extraUses >= 1)
  }
}

function pinTreeOf(live: readonly Digest[], previousBits: number | undefined): ReturnType<typeof updatePinTree> {
  return updatePinTree({
    count: live.length,
    previousBits,
    previousNode: () => undefined,
    changed: [],
    digests: digestsWithin(live),
  })
}
