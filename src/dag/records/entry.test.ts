import { decode } from '@ipld/dag-cbor'
import test from 'ava'
import { isDriveError, nameFromBytes, seededRandom, type PlainName } from '../../base/index.js'
import type { EntryRecord } from '../contract.js'
import { decodeEntry, encodeEntry, MAX_EMBEDDED_CHUNKS } from './entry-record.js'
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

test('a file type that no kernel makes is refused', (t) => {
  const entry = randomEntry(seededRandom(45), { kind: 'none' }, 0o020000)
  for (const type of [0o000000, 0o030000, 0o050000, 0o070000, 0o110000, 0o150000, 0o160000, 0o170000]) {
    t.true(
      isDriveError(
        t.throws(() => encodeEntry({ ...entry, mode: type | 0o644 })),
        'INVALID',
      ),
      type.toString(8),
    )
  }
})

test('S-114 a mode of more than 16 bits and an attribute without a name are CORRUPT', (t) => {
  const entry = randomEntry(seededRandom(47), { kind: 'none' }, 0o020000)
  const attribute = { name: '', value: Uint8Array.of(1) }
  for (const bad of [
    { ...entry, mode: 2 ** 16 + 0o020644 },
    { ...entry, xattrs: [attribute] },
  ]) {
    t.true(
      isDriveError(
        t.throws(() => decodeEntry(encodeEntry(bad))),
        'CORRUPT',
      ),
    )
  }
})

test('S-114 a body that is not as long as the size, and attributes beyond the limits of the kernel, are CORRUPT', (t) => {
  const random = seededRandom(52)
  const file = randomEntry(random, { kind: 'inline', bytes: random.bytes(100) })
  const link = { ...file, mode: 0o120777, content: { kind: 'inline', bytes: Buffer.alloc(9, 'a') } as const, size: 9 }
  const xattrs = (names: readonly string[], bytes = 1): typeof file => {
    return { ...file, xattrs: names.map((name) => ({ name, value: new Uint8Array(bytes) })) }
  }
  const names = (count: number, length: number): string[] => {
    return Array.from({ length: count }, (_, i) => `user.${i}`.padEnd(length, 'é'))
  }
  for (const good of [file, link, xattrs(names(186, 255)), xattrs(['user.a'], 65_536), xattrs(['user.\u00ff'])]) {
    t.deepEqual(decodeEntry(encodeEntry(good)).size, good.size)
  }
  const bad = {
    'a body that is too short': { ...file, size: 101 },
    'a body that is too long': { ...file, size: 99 },
    'an empty body': { ...file, size: 0 },
    'a size of a link': { ...link, size: 2 ** 40 },
    'a long name': xattrs(names(1, 256)),
    'a long value': xattrs(['user.a'], 65_537),
    'a long list': xattrs(names(187, 255)),
    'many short names': xattrs(names(8000, 10)),
    'a name that is not bytes': xattrs(['user.\u0101']),
    'a name with NUL': xattrs(['user.a\0user.b']),
  }
  for (const [what, entry] of Object.entries(bad)) {
    const error = t.throws(() => decodeEntry(encodeEntry(entry)), undefined, what)
    t.true(isDriveError(error, 'CORRUPT'), what)
  }
})

test('S-146 an entry of any readable attributes fits into a block in all its later states', (t) => {
  const random = seededRandom(53)
  const digest = random.bytes(32)
  const most = Number.MAX_SAFE_INTEGER
  const chunks = Array.from({ length: MAX_EMBEDDED_CHUNKS }, (_, i) => {
    return { offset: most - 2 ** 21 * (MAX_EMBEDDED_CHUNKS - i), digest, key: digest, length: 65_536, skip: 65_536 }
  })
  const full = (first: number, content: EntryRecord['content']): EntryRecord => {
    const value = new Uint8Array(first)
    const entry = { ...randomEntry(random, content), uid: 2 ** 32 - 1, gid: 2 ** 32 - 1, nlink: 2 ** 32 - 1 }
    const times = { atimeSec: -most, mtimeSec: -most, ctimeSec: -most, btimeSec: -most }
    return {
      ...entry,
      ...times,
      xattrs: [
        { name: 'user.a', value },
        { name: 'user.b', value: new Uint8Array(40_000) },
      ],
    }
  }
  const limit = 96 * 1024 - 2 * 28 - 40_000
  for (const content of [
    { kind: 'chunks', chunks },
    { kind: 'inline', bytes: random.bytes(65_535) },
  ] as const) {
    const bytes = encodeEntry(full(limit, content))
    t.notThrows(() => decodeEntry(bytes))
    t.true(bytes.length < 200 * 1024, String(bytes.length))
    t.throws(() => decodeEntry(encodeEntry(full(limit + 1, content))), { code: 'CORRUPT' })
  }
})

test('a symlink target that no kernel takes, and a directory in the link table, are refused', async (t) => {
  const random = seededRandom(46)
  for (const bytes of [new Uint8Array(0), new Uint8Array(4096).fill(1), Uint8Array.of(1, 0, 2)]) {
    const entry = {
      ...randomEntry(random, { kind: 'none' }, 0o020000),
      mode: 0o120777,
      content: { kind: 'inline', bytes } as const,
    }
    t.true(
      isDriveError(
        t.throws(() => encodeEntry(entry)),
        'INVALID',
      ),
    )
  }
  const directory = randomEntry(random, { kind: 'none' }, 0o040000)
  t.true(
    isDriveError(
      t.throws(() => linkRow(directory)),
      'INVALID',
    ),
  )
  const built = buildMap([[directory.fileId, encodeEntry(directory)]], { random })
  const { fetch } = new MemoryBlocks().add(built.blocks)
  t.true(isDriveError(await t.throwsAsync(findLink(built.ref, directory.fileId, fetch)), 'CORRUPT'))
})
