import { decode } from '@ipld/dag-cbor'
import test from 'ava'
import { isDriveError, nameFromBytes, seededRandom, type PlainName } from '../../base/index.js'
import { decodeEntry, encodeEntry } from './entry-record.js'
import { buildMap } from '../map/map-build.js'
import {
  chunkRow,
  directoryRow,
  directoryRows,
  duplicateRow,
  findInDirectory,
  findLink,
  linkRow,
  readChunkList,
  readDirectoryTable,
  readDuplicates,
  sortRows,
} from './tables.js'
import { readLinks } from '../../../test/support/dag/read-links.js'
import { damaged, MemoryBlocks, randomContent, randomEntry } from '../../../test/support/dag/blocks.js'

test('any entry round-trips, and is valid DAG-CBOR', (t) => {
  const seed = 41
  const random = seededRandom(seed)
  for (let round = 0; round < 500; round++) {
    const entry = randomEntry(random, randomContent(random))
    const bytes = encodeEntry(entry)
    t.deepEqual(decodeEntry(bytes), entry, `seed ${seed} round ${round}`)
    t.is(decode<unknown[]>(bytes).length, 18)
  }
})

test('times before 1970, sizes near 2^53 and large device numbers are kept', (t) => {
  const entry = randomEntry(seededRandom(42), { kind: 'none' }, 0o020000)
  const extreme = { ...entry, atimeSec: -(2 ** 40), size: Number.MAX_SAFE_INTEGER, rdev: 0xffffffff }
  t.deepEqual(decodeEntry(encodeEntry(extreme)), extreme)
})

test('attributes in any order encode to the same bytes', (t) => {
  const entry = randomEntry(seededRandom(43), { kind: 'none' })
  const xattrs = ['user.b', 'user.a', 'trusted.z'].map((name) => ({ name, value: Uint8Array.of(1) }))
  t.deepEqual(encodeEntry({ ...entry, xattrs }), encodeEntry({ ...entry, xattrs: xattrs.toReversed() }))
})

test('content that does not fit the type is INVALID to write and CORRUPT to read', (t) => {
  const random = seededRandom(44)
  const directory = randomEntry(random, { kind: 'inline', bytes: Uint8Array.of(1) }, 0o040000)
  t.true(
    isDriveError(
      t.throws(() => encodeEntry(directory)),
      'INVALID',
    ),
  )
  const file = { ...directory, mode: 0o100644 }
  const bytes = Buffer.from(encodeEntry(file))
  const at = bytes.indexOf(Buffer.from([0x19, 0x81, 0xa4]))
  bytes.set([0x19, 0x41, 0xed], at)
  t.true(
    isDriveError(
      t.throws(() => decodeEntry(bytes)),
      'CORRUPT',
    ),
  )
  t.notThrows(() => encodeEntry(file), 'a refused entry leaves nothing behind')
})

test('a later version of the record is refused', (t) => {
  const bytes = encodeEntry(randomEntry(seededRandom(45), { kind: 'none' }))
  bytes[1] = 2
  t.true(
    isDriveError(
      t.throws(() => decodeEntry(bytes)),
      'CORRUPT',
    ),
  )
})

test('damaged records are CORRUPT or another well-formed record, never another failure', (t) => {
  const seed = 46
  const random = seededRandom(seed)
  for (let round = 0; round < 3000; round++) {
    const bytes = damaged(encodeEntry(randomEntry(random, randomContent(random))), random)
    try {
      encodeEntry(decodeEntry(bytes))
    } catch (error) {
      t.true(isDriveError(error, 'CORRUPT'), `seed ${seed} round ${round}: ${String(error)}`)
    }
  }
})

test('a directory keeps names of any bytes and is listed in byte order', async (t) => {
  const seed = 47
  const random = seededRandom(seed)
  const names = new Set<PlainName>([
    nameFromBytes(Uint8Array.of(0xff)),
    nameFromBytes(Uint8Array.of(1)),
    '...' as PlainName,
  ])
  while (names.size < 3000) {
    const bytes = random.bytes(1 + random.next(255)).map((byte) => (byte === 0 || byte === 0x2f ? 0x80 : byte))
    names.add(nameFromBytes(bytes))
  }
  const entries = new Map([...names].map((name) => [name, randomEntry(random, randomContent(random))]))
  const built = buildMap(directoryRows(entries), { random })
  const { fetch } = new MemoryBlocks().add(built.blocks)
  let last = Buffer.alloc(0)
  let seen = 0
  for await (const { name, entry } of readDirectoryTable(built.ref, fetch)) {
    const bytes = Buffer.from(name, 'latin1')
    t.is(Buffer.compare(last, bytes), -1)
    last = bytes
    t.deepEqual(entry, entries.get(name)!, `seed ${seed}`)
    seen++
  }
  t.is(seen, names.size)
  const [name, entry] = [...entries][7]!
  t.deepEqual(await findInDirectory(built.ref, name, fetch), entry)
  t.is(await findInDirectory(built.ref, 'absent' as PlainName, fetch), undefined)
})

test('impossible names are refused both ways', async (t) => {
  const random = seededRandom(48)
  const entry = randomEntry(random, { kind: 'none' })
  for (const name of ['', '.', '..', 'a/b', 'a\0', 'x'.repeat(256)]) {
    t.true(
      isDriveError(
        t.throws(() => directoryRow(name as PlainName, entry)),
        'INVALID',
      ),
    )
    const built = buildMap([[Buffer.from(name), encodeEntry(entry)]], { random })
    const reading = (async () => {
      for await (const child of readDirectoryTable(built.ref, new MemoryBlocks().add(built.blocks).fetch))
        t.truthy(child)
    })()
    t.true(isDriveError(await t.throwsAsync(reading), 'CORRUPT'))
  }
})

test('chunk lists, links and repeated blocks round-trip', async (t) => {
  const random = seededRandom(49)
  const chunks = Array.from({ length: 20_000 }, (_, i) => {
    return { offset: i * 262_144, length: 262_144, skip: 0, digest: random.bytes(32), key: random.bytes(32) }
  })
  const list = buildMap(chunks.map(chunkRow), { random })
  const blocks = new MemoryBlocks().add(list.blocks)
  const read = []
  for await (const chunk of readChunkList(list.ref, blocks.fetch)) read.push(chunk)
  t.deepEqual(read, chunks)

  const linked = Array.from({ length: 100 }, () => randomEntry(random, { kind: 'inline', bytes: random.bytes(9) }))
  const links = buildMap(sortRows(linked.map(linkRow)), { random })
  blocks.add(links.blocks)
  const ids = []
  for await (const entry of readLinks(links.ref, blocks.fetch)) ids.push(entry.fileId)
  t.is(ids.length, 100)
  t.deepEqual(await findLink(links.ref, linked[5]!.fileId, blocks.fetch), linked[5])
  t.is(await findLink(links.ref, random.bytes(16), blocks.fetch), undefined)

  const uses = sortRows(Array.from({ length: 50 }, (_, i) => duplicateRow(random.bytes(32), i + 1)))
  const duplicates = buildMap(uses, { random })
  blocks.add(duplicates.blocks)
  let total = 0
  for await (const { extraUses } of readDuplicates(duplicates.ref, blocks.fetch)) total += extraUses
  t.is(total, (50 * 51) / 2)
})

test('overlapping chunks are CORRUPT', async (t) => {
  const random = seededRandom(50)
  const chunk = { offset: 0, length: 100, skip: 0, digest: random.bytes(32), key: random.bytes(32) }
  const list = buildMap([chunkRow(chunk), chunkRow({ ...chunk, offset: 99 })], { random })
  const reading = (async () => {
    for await (const read of readChunkList(list.ref, new MemoryBlocks().add(list.blocks).fetch)) t.truthy(read)
  })()
  t.true(isDriveError(await t.throwsAsync(reading), 'CORRUPT'))
})

test.serial('a tree of 5,000 entries is encoded, and how long that takes is logged', (t) => {
  const random = seededRandom(51)
  const directories = Array.from({ length: 100 }, () => {
    return Array.from({ length: 50 }, (_, i) => {
      return [`file-${i}.txt` as PlainName, randomEntry(random, randomContent(random))] as const
    })
  })
  const started = performance.now()
  let bytes = 0
  for (const entries of directories) {
    for (const block of buildMap(directoryRows(entries), { random }).blocks) bytes += block.bytes.length
  }
  const tookMs = performance.now() - started
  t.log(`${tookMs.toFixed(0)} ms, ${bytes} bytes`)
  t.true(bytes > 0)
})
