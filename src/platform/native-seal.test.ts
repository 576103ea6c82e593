/**
 * The addon's entry points under every kind of bad argument: an exception or an answer, never a crash or a stray write.
 */
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testWhere } from '../../test/support/available.js'
import { seededRandom } from '../base/index.js'
import { nativeSeal, punchHole, readWithoutWaiting, type NativeSeal } from './index.js'

const seed = Number(process.env['SEED'] ?? process.hrtime()[1] | 1)
const random = seededRandom(seed)
const addon = nativeSeal()
const ifBuilt = testWhere('nativeCore')

function detached(): Uint8Array {
  const bytes = new Uint8Array(5000)
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
  return bytes
}

/** A value that is wrong for some argument. Lengths lie around the limits in the code. */
function strange(): unknown {
  const lengths = [
    0, 1, 15, 16, 31, 32, 33, 39, 40, 41, 95, 96, 97, 1023, 1024, 1025, 4095, 4096, 8192, 65_536, 1_048_576, 1_048_592,
  ]
  const length = lengths[random.next(lengths.length)]!
  const numbers = [0, -0, 1, -1, 2, 3, 1e9, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 53), 0.5, NaN, Infinity, -Infinity]
  const kinds: (() => unknown)[] = [
    () => undefined,
    () => null,
    () => true,
    () => 'text',
    () => 10n,
    () => ({ length: 32 }),
    () => [1, 2, 3],
    () => Symbol('x'),
    () => () => 1,
    () => numbers[random.next(numbers.length)],
    () => new Uint8Array(length),
    () => Buffer.alloc(length, random.next(256)),
    () => new Uint8Array(new SharedArrayBuffer(length)),
    () => new Uint8Array(new ArrayBuffer(length + 8), 3, length),
    () => new Uint32Array(length >> 2),
    () => Uint32Array.from({ length: 4 * random.next(4) }, () => numbers[random.next(numbers.length)]!),
    () => new Float64Array(length >> 3),
    () => new DataView(new ArrayBuffer(length)),
    () => new ArrayBuffer(length),
    detached,
    () => new Proxy(new Uint8Array(32), {}),
  ]
  return kinds[random.next(kinds.length)]!()
}

/** Good arguments of every call; a round replaces one or two of them by bad ones. */
function goodArguments(): Record<
  Exclude<
    keyof NativeSeal,
    | 'hashing'
    | 'punchHole'
    | 'preadNoWait'
    | 'forgetMapped'
    | 'watchMapped'
    | 'hurryWatch'
    | 'unwatchMapped'
    | 'trimHeap'
    | 'keepMemoryPrivate'
  >,
  unknown[]
> {
  const data = Buffer.alloc(200_000, 5)
  const items = Uint32Array.from([0, 200_000, 0, 1])
  const rows = new Uint8Array(96 * 8)
  return {
    sealBatch: [data, items, Buffer.alloc(1024, 3), Buffer.alloc(32), rows, Buffer.alloc(400_000)],
    bytesToPage: [data],
    sealRows: [data, rows, random.next(10), Buffer.alloc(400_000)],
    cut: [data, Buffer.alloc(1024, 3), 0, true, new Uint32Array(8)],
    openLeaf: [Buffer.alloc(4096), Buffer.alloc(32), Buffer.alloc(4096)],
    tagPages: [Buffer.alloc(8192), Buffer.alloc(32)],
    openPages: [Buffer.alloc(8192), 0, 1, Buffer.alloc(32), Buffer.alloc(32), 5, Buffer.alloc(100)],
    sha256: [data, Buffer.alloc(32)],
    sealRecord: [Buffer.alloc(32), Buffer.alloc(16), 1, Buffer.alloc(9), Buffer.alloc(60), Buffer.alloc(100)],
    openRecord: [Buffer.alloc(32), Buffer.alloc(9), Buffer.alloc(100), Buffer.alloc(60)],
  }
}

ifBuilt(
  'calls with bad lengths, types, numbers and detached buffers throw or answer, and the addon still works',
  (t) => {
    t.log(`SEED=${seed}`)
    let threw = 0
    let answered = 0
    for (let round = 0; round < 15_000; round++) {
      const calls = goodArguments()
      const names = Object.keys(calls) as (keyof typeof calls)[]
      const name = names[round % names.length]!
      const args = calls[name]
      for (let spoiled = random.next(3); spoiled >= 0; spoiled--) args[random.next(args.length)] = strange()
      if (random.next(20) === 0) args.length = random.next(args.length)
      try {
        ;(addon![name] as (...args: unknown[]) => unknown)(...args)
        answered++
      } catch (error) {
        t.true(error instanceof Error)
        threw++
      }
    }
    t.true(threw > 500 && answered > 500, `${threw} threw, ${answered} answered`)
    const digest = new Uint8Array(32)
    addon!.sha256(Buffer.from('abc'), digest)
    t.is(Buffer.from(digest).toString('hex'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  },
)

ifBuilt('rows that do not come from cutting are refused', (t) => {
  for (let round = 0; round < 3000; round++) {
    const rows = new Uint8Array(96 * 4)
    const view = new DataView(rows.buffer)
    for (let at = 0; at < rows.length; at += 4)
      view.setUint32(at, random.next(3) === 0 ? random.next(2 ** 31) * 2 : random.next(9000), true)
    const out = Buffer.alloc(20_000)
    t.notThrows(() => {
      try {
        addon!.sealRows(Buffer.alloc(10_000), rows, 4, out)
      } catch (error) {
        if (!(error instanceof RangeError)) throw error
      }
    })
  }
})

ifBuilt('an output or a table that is too small throws, and nothing is written past its end', (t) => {
  const data = Buffer.alloc(3_000_000, 9)
  const items = Uint32Array.from([0, data.length, 0, 1])
  for (let round = 0; round < 200; round++) {
    const memory = Buffer.alloc(3_400_000, 0xa5)
    const room = random.next(3_000_000)
    const rows = new Uint8Array(96 * (1 + random.next(6)))
    t.throws(
      () => addon!.sealBatch(data, items, Buffer.alloc(1024, 1), Buffer.alloc(32), rows, memory.subarray(0, room)),
      {
        instanceOf: RangeError,
      },
    )
    t.true(memory.subarray(room).equals(Buffer.alloc(memory.length - room, 0xa5)))
  }
})

ifBuilt('a punched hole reads as zeros, and cached bytes are read without waiting', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'dagdrive-hole-'))
  const fd = openSync(join(directory, 'file'), 'wx+')
  try {
    writeSync(fd, Buffer.alloc(16_384, 7))
    if (!punchHole(fd, 4096, 4096)) t.log('this file system cannot punch holes')
    else {
      const page = Buffer.alloc(8192)
      const read = readWithoutWaiting(fd, page, 4096)
      if (read === undefined) t.log('this file system cannot read without waiting')
      else {
        t.is(read, 8192)
        t.true(page.subarray(0, 4096).every((byte) => byte === 0) && page.subarray(4096).every((byte) => byte === 7))
      }
    }
    t.false(punchHole(999_999, 0, 4096))
    t.throws(() => readWithoutWaiting(999_999, Buffer.alloc(1), 0))
  } finally {
    closeSync(fd)
    rmSync(directory, { recursive: true })
  }
})
