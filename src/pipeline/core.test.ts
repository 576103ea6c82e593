import test from 'ava'
import { testWhere } from '../../test/support/available.js'
import { isDriveError, seededRandom, type Random } from '../base/index.js'
import { CHUNK, type ContentKeys, type Core } from './contract.js'
import { createCore } from './core.js'
import { isSealedSize, SEALED_PAGE_BYTES, sealedSize } from './padding.js'
import { nativeSeal } from '../platform/index.js'

const seed = Number(process.env['SEED'] ?? process.hrtime()[1] | 1)
const random = seededRandom(seed)
const javascript = createCore('javascript')
const native = nativeSeal() === undefined ? undefined : createCore('native')
const cores: readonly Core[] = native === undefined ? [javascript] : [javascript, native]
const keys = keysFrom(random)

function keysFrom(source: Random): ContentKeys {
  return { dedupKey: source.bytes(32), gearKey: source.bytes(32) }
}

/** Fast test data of any length: random bytes, in part repetitive. */
function content(length: number): Buffer {
  const piece = Buffer.from(random.bytes(Math.min(length, 1 + random.next(60_000))))
  const out = Buffer.alloc(length)
  for (let at = 0; at < length; at += piece.length) {
    out.set(piece.subarray(0, length - at), at)
    if (random.next(8) !== 0) piece.writeUInt8(random.next(256), random.next(piece.length))
    piece.reverse()
  }
  return out
}

test.before((t) => {
  t.log(`SEED=${seed}, native core: ${native === undefined ? 'absent' : 'present'}`)
})

const EDGES = [
  1,
  2,
  4078,
  4079,
  4080,
  8175,
  8176,
  65518,
  65519,
  65520,
  65535,
  65536,
  65537,
  131071,
  CHUNK.MAX - 1,
  CHUNK.MAX,
]

test('R-10 both cores seal random plaintexts to the same bytes, digests, keys and dedup ids', (t) => {
  for (const length of [...EDGES, ...Array.from({ length: 40 }, () => 1 + random.next(200_000))]) {
    const plain = content(length)
    const results = cores.map((core) => core.sealLeaf(plain, keys))
    for (const result of results) {
      t.true(Buffer.from(result.sealed).equals(results[0]!.sealed), `sealed, length ${length}`)
      t.deepEqual(Buffer.from(result.digest), Buffer.from(results[0]!.digest))
      t.deepEqual(Buffer.from(result.key), Buffer.from(results[0]!.key))
      t.deepEqual(Buffer.from(result.dedupId), Buffer.from(results[0]!.dedupId))
      t.deepEqual(Buffer.from(result.digest), Buffer.from(javascript.sha256(result.sealed)))
      t.is(result.sealed.length, sealedSize(length))
      for (const core of cores) t.true(Buffer.from(core.openLeaf(result.sealed, result.key)).equals(plain))
    }
  }
})

test('R-10 both cores cut at the same places, and cutting data in pieces gives the same cuts as cutting it at once', (t) => {
  for (let round = 0; round < 6; round++) {
    const data = content(1 + random.next(5_000_000))
    for (const mode of ['content-defined', 'fixed'] as const) {
      const whole = cores.map((core) => core.cut(data, mode, true, keys))
      for (const ends of whole) t.deepEqual(ends, whole[0])
      t.is(whole[0]!.at(-1), data.length)
      for (const core of cores) t.deepEqual(cutInPieces(core, data, mode), whole[0])
      whole[0]!.forEach((end, index) => {
        const length = end - (whole[0]![index - 1] ?? 0)
        t.true(length <= CHUNK.MAX && (length >= CHUNK.MIN || end === data.length))
      })
    }
  }
})

function cutInPieces(core: Core, data: Uint8Array, mode: 'content-defined' | 'fixed'): number[] {
  const ends: number[] = []
  let start = 0
  for (let have = 0; have < data.length || start < data.length;) {
    have = Math.min(data.length, have + 1 + random.next(900_000))
    const found = core.cut(data.subarray(start, have), mode, have === data.length, keys).map((end) => start + end)
    ends.push(...found)
    start = found.at(-1) ?? start
  }
  return ends
}

test('cuts depend on the content: an inserted byte moves only the cuts near it', (t) => {
  const data = Buffer.from(seededRandom(7).bytes(6_000_000))
  const edited = Buffer.concat([data.subarray(0, 3_000_000), Buffer.from([1]), data.subarray(3_000_000)])
  const before = new Set(javascript.cut(data, 'content-defined', true, keys).map((end) => data.length - end))
  const after = javascript.cut(edited, 'content-defined', true, keys).map((end) => edited.length - end)
  const tail = after.filter((fromEnd) => fromEnd < 1_500_000)
  t.true(tail.length >= 3)
  t.true(tail.every((fromEnd) => before.has(fromEnd)))
})

test('no data gives no chunks; data at the edges of the limits gives the expected ones', (t) => {
  for (const core of cores) {
    t.deepEqual(core.cut(new Uint8Array(0), 'content-defined', true, keys), [])
    t.deepEqual(core.cut(new Uint8Array(CHUNK.MIN), 'content-defined', false, keys), [])
    t.deepEqual(core.cut(new Uint8Array(CHUNK.MIN), 'content-defined', true, keys), [CHUNK.MIN])
    t.deepEqual(core.cut(new Uint8Array(CHUNK.FIXED * 2 + 1), 'fixed', false, keys), [CHUNK.FIXED, CHUNK.FIXED * 2])
  }
})

test('sealed sizes are whole pages, at most 1 MiB, and add under 7 % above 64 KiB (R-72)', (t) => {
  for (let length = 1; length <= CHUNK.MAX; length += 1 + random.next(997)) {
    const size = sealedSize(length)
    t.true(isSealedSize(size) && size % 4096 === 0 && size >= length + 17 && size <= 1024 * 1024)
    if (length > 65536) t.true(size <= length * 1.07)
  }
  t.is(sealedSize(CHUNK.MAX), 1024 * 1024)
})

test('a changed bit, a wrong key, a cut-off block and a wrong size are CORRUPT', (t) => {
  const plain = content(100_000)
  const { sealed, key } = javascript.sealLeaf(plain, keys)
  for (const core of cores) {
    const corrupt = (block: Uint8Array, withKey = key): void => {
      const error = t.throws(() => core.openLeaf(block, withKey))
      t.true(isDriveError(error, 'CORRUPT'))
    }
    for (let i = 0; i < 20; i++) {
      const bad = Buffer.from(sealed)
      const at = random.next(bad.length)
      bad[at] = bad[at]! ^ (1 << random.next(8))
      corrupt(bad)
    }
    corrupt(sealed, random.bytes(32))
    corrupt(sealed.subarray(0, sealed.length - 4096))
    corrupt(sealed.subarray(1))
    corrupt(new Uint8Array(0))
    corrupt(new Uint8Array(15))
  }
})

test('plaintexts of no bytes and of more than the maximum are refused', (t) => {
  for (const core of cores) {
    t.true(
      isDriveError(
        t.throws(() => core.sealLeaf(new Uint8Array(0), keys)),
        'INVALID',
      ),
    )
    t.true(
      isDriveError(
        t.throws(() => core.sealLeaf(new Uint8Array(CHUNK.MAX + 1), keys)),
        'INVALID',
      ),
    )
  }
})

test('keys of another drive give other cuts and other blocks', (t) => {
  // random data: repetitive data may offer the cutter no choice
  const data = Buffer.from(random.bytes(3_000_000))
  const other = keysFrom(random)
  t.notDeepEqual(
    javascript.cut(data, 'content-defined', true, keys),
    javascript.cut(data, 'content-defined', true, other),
  )
  t.notDeepEqual(
    javascript.sealLeaf(data.subarray(0, 9), keys).digest,
    javascript.sealLeaf(data.subarray(0, 9), other).digest,
  )
})

testWhere('nativeCore')('the portable hashing of the native core gives the same bytes as its lanes', (t) => {
  const addon = nativeSeal()
  if (addon === undefined || native === undefined) return t.fail('the native core does not load')
  try {
    for (const length of EDGES) {
      const plain = content(length)
      addon.hashing('best')
      const best = native.sealLeaf(plain, keys)
      const bestSum = native.sha256(plain)
      t.is(addon.hashing('portable'), 'portable')
      t.deepEqual(native.sealLeaf(plain, keys), best)
      t.deepEqual(native.sha256(plain), bestSum)
      t.deepEqual(Buffer.from(bestSum), Buffer.from(javascript.sha256(plain)))
    }
  } finally {
    addon.hashing('best')
  }
})

test('any part of an opened block opens alone, and a page that changed since is refused', (t) => {
  t.log(`SEED=${seed}`)
  const parts = native?.parts
  t.is(javascript.parts, undefined)
  if (native === undefined || parts === undefined) return
  for (const length of [1, 4080, 5000, 70_000, 262_144, CHUNK.MAX]) {
    const plain = content(length)
    const { sealed, key } = native.sealLeaf(plain, keys)
    const tags = parts.tag(sealed)
    const others = parts.tag(sealed)
    for (let round = 0; round < 50; round++) {
      const from = random.next(length)
      const into = Buffer.alloc(1 + random.next(Math.min(length - from, 20_000)))
      const first = Math.floor(from / SEALED_PAGE_BYTES)
      const last = Math.ceil((from + into.length) / SEALED_PAGE_BYTES)
      const pages = Buffer.from(sealed.subarray(first * SEALED_PAGE_BYTES, last * SEALED_PAGE_BYTES))
      const skip = from - first * SEALED_PAGE_BYTES
      t.true(parts.open({ pages, first, skip }, tags, key, into))
      t.true(into.equals(plain.subarray(from, from + into.length)), `${from} of ${length}`)
      into.fill(1)
      const mixed = { serial: others.serial, tags: tags.tags }
      t.false(parts.open({ pages, first, skip }, mixed, key, into), 'tags of another call')
      pages[random.next(pages.length)]! ^= 1 << random.next(8)
      t.false(parts.open({ pages, first, skip }, tags, key, into), 'a changed bit')
      t.true(
        into.every((byte) => byte === 1),
        'no plaintext is written',
      )
    }
    if (sealed.length > SEALED_PAGE_BYTES) {
      const page = sealed.subarray(SEALED_PAGE_BYTES, 2 * SEALED_PAGE_BYTES)
      t.false(parts.open({ pages: page, first: 0, skip: 0 }, tags, key, Buffer.alloc(16)), 'another page of the block')
    }
  }
})
