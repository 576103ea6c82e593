/**
 * Makes the golden drive of format 1 from fixed seeds: `node dist/test/golden/make-drive.js fixtures/golden/v1`. It was
 * made once, and every later release must open it. Never overwrite it: a new format gets a new folder.
 */
import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hex, nameFromText, type Digest } from '../../src/base/index.js'
import { phraseOfRootKey, publicKeyOfSeed } from '../../src/crypto/index.js'
import {
  carStream,
  cidOf,
  digestsWithin,
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
  type TreeRef,
} from '../../src/dag/index.js'
import { attributes, directory, file, longList, pattern, symlink } from './entries.js'
import type { GoldenDrive } from './golden-drive.js'
import { beginVersion, blocks, builtVersion, driveId, keys, noted, put, putMap, random, rootKey } from './material.js'

const DEVICE_SLOT = 3
const TIME_MS = Date.UTC(2026, 10, 20, 12, 0, 0, 123)

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
    entries: builtVersion().expected,
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
  beginVersion()
  const { root, links } = tree(greeting)
  const { uses } = builtVersion()
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
