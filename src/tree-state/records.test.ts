import test from 'ava'
import { isDriveError, seededRandom, type PlainName } from '../base/index.js'
import type { ChunkRecord, DentryRecord, InodeRecord } from './contract.js'
import { decodeInode, encodeInode } from './inode-record.js'
import { be48, be64, readBe48, readBe64 } from '../storage/kv/index.js'
import * as keys from './keys.js'
import { decodeChunk, decodeDentry, decodeRemoved, encodeChunk, encodeDentry, encodeRemoved } from './row-records.js'

const seed = (process.pid * 2654435761) >>> 0 || 1
const random = seededRandom(seed)
const integer = (): number => random.next(0x1f_ffff) * 0x1_0000_0000 + random.next(0xffff_ffff)

function randomInode(): InodeRecord {
  const some = <T>(make: () => T): T | undefined => (random.next(2) === 0 ? make() : undefined)
  return {
    ino: integer(),
    fileId: Buffer.from(random.bytes(16)),
    mode: random.next(0xffff_ffff),
    uid: random.next(0xffff_ffff),
    gid: random.next(0xffff_ffff),
    nlink: random.next(0xffff_ffff),
    rdev: random.next(0xffff_ffff),
    size: integer(),
    atimeSec: -integer(),
    atimeNsec: random.next(1e9),
    mtimeSec: integer(),
    mtimeNsec: random.next(1e9),
    ctimeSec: integer(),
    ctimeNsec: random.next(1e9),
    btimeSec: integer(),
    btimeNsec: random.next(1e9),
    parent: integer(),
    nextCookie: integer(),
    fixedChunks: random.next(2) === 0,
    inline: some(() => Buffer.from(random.bytes(random.next(4096)))),
    ref: some(() => ({ digest: Buffer.from(random.bytes(32)), key: Buffer.from(random.bytes(32)) })),
    unloaded: random.next(2) === 0,
    ...(random.next(3) === 0 ? { holes: 1 + random.next(2 ** 31) } : {}),
    xattrs: Array.from({ length: random.next(4) }, (_, i) => ({
      name: `user.ñ${String(i)}`,
      value: Buffer.from(random.bytes(random.next(i === 0 ? 70_000 : 50))),
    })),
  }
}

test('random inode records round-trip', (t) => {
  t.log(`seed ${String(seed)}`)
  for (let i = 0; i < 100; i++) {
    const record = randomInode()
    t.deepEqual(decodeInode(record.ino, encodeInode(record)), record)
  }
})

test('a truncated or extended inode record is CORRUPT, never a wrong record', (t) => {
  for (let i = 0; i < 50; i++) {
    const record = randomInode()
    const bytes = encodeInode(record)
    const cut = bytes.subarray(0, random.next(bytes.length))
    t.true(
      isDriveError(
        t.throws(() => decodeInode(1, cut)),
        'CORRUPT',
      ),
    )
    t.true(
      isDriveError(
        t.throws(() => decodeInode(1, Buffer.concat([bytes, Buffer.of(0)]))),
        'CORRUPT',
      ),
    )
  }
})

test('directory entries keep any name bytes', (t) => {
  const name = Buffer.from(Array.from({ length: 255 }, (_, i) => 255 - i)).toString('latin1') as PlainName
  const record: DentryRecord = { name, ino: Number.MAX_SAFE_INTEGER, type: 8, cookie: integer() }
  t.deepEqual(decodeDentry(encodeDentry(record)), record)
  t.throws(() => decodeDentry(Buffer.alloc(17)))
})

test('chunk and removed rows round-trip', (t) => {
  const digest = Buffer.from(random.bytes(32))
  const key = Buffer.from(random.bytes(32))
  const chunk: ChunkRecord = { offset: integer(), length: 0xffff_ffff, skip: 77, digest, key, born: 2 ** 48 - 1 }
  t.deepEqual(decodeChunk(chunk.offset, encodeChunk(chunk)), chunk)
  for (const removed of [
    { kind: 'block', digest, born: 123_456_789_012 } as const,
    { kind: 'node', digest, key } as const,
    { kind: 'link', fileId: digest.subarray(0, 16) } as const,
  ])
    t.deepEqual(decodeRemoved(encodeRemoved(removed)), removed)
  t.throws(() => decodeRemoved(Buffer.alloc(40)))
})

test('keys sort as their numbers, and all rows of an inode lie between rowsOf(ino)', (t) => {
  const numbers = [0, 1, 255, 256, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 48, Number.MAX_SAFE_INTEGER - 1]
  for (let i = 1; i < numbers.length; i++) {
    t.true(Buffer.compare(be64(numbers[i - 1]!), be64(numbers[i]!)) < 0)
    t.is(readBe64(be64(numbers[i]!)), numbers[i]!)
  }
  const hash = Buffer.alloc(32, 255)
  const { start, end } = keys.rowsOf(7)
  for (const key of [
    keys.chunkKey(7, 0),
    keys.pageKey(7, 2 ** 52),
    keys.dentryKey(7, hash),
    keys.linkKey(7, 9, hash),
  ]) {
    t.true(Buffer.compare(key, start) >= 0 && Buffer.compare(key, end) < 0)
  }
  t.true(Buffer.compare(keys.chunkKey(8, 0), end) >= 0)
  t.is(keys.secondOf(keys.chunkKey(7, 2 ** 40)), 2 ** 40)
  t.is(readBe48(be48(2 ** 48 - 1)), 2 ** 48 - 1)
  t.throws(() => be64(2 ** 53))
  t.throws(() => be64(-1))
})
