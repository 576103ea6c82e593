import test from 'ava'
import { isDriveError, seededRandom } from '../../base/index.js'
import type { EntryRecord } from '../contract.js'
import { decodeEntry, encodeEntry, MAX_EMBEDDED_CHUNKS } from './entry-record.js'
import { buildMap } from '../map/map-build.js'
import { findLink, linkRow } from './tables.js'
import { MemoryBlocks, randomEntry } from '../../../test/support/dag/blocks.js'

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

test('an owner that no system can show is read as nobody', (t) => {
  const entry = { ...randomEntry(seededRandom(59), { kind: 'none' }), mode: 0o010644 }
  const { uid, gid } = decodeEntry(encodeEntry({ ...entry, uid: 2 ** 32 - 1, gid: 2 ** 32 - 1 }))
  t.deepEqual([uid, gid], [65534, 65534])
})
