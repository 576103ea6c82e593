import { CarBufferWriter, CarReader } from '@ipld/car'
import test from 'ava'
import { CID } from 'multiformats/cid'
import { isDriveError, seededRandom } from '../base/index.js'
import { readCar } from '../../test/support/dag/car-read.js'
import { carHeader, carStream, type CarInput } from './car-write.js'
import { cidBytes, cidOf, parseCid } from './cid.js'
import { sha256 } from './private-node.js'
import { damaged, type SeededRandom } from '../../test/support/dag/blocks.js'

function randomBlocks(sizes: readonly number[], random: SeededRandom): CarInput[] {
  return sizes.map((size, i) => {
    const bytes = random.bytes(size)
    return { cid: cidOf(sha256(bytes), i % 5 === 0 ? 'dag-pb' : 'raw'), bytes }
  })
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}

function* cut(bytes: Uint8Array, next: () => number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const length = next()
    yield bytes.subarray(at, at + length)
    at += length
  }
}

const SIZES = [0, 1, 100, 127, 128, 16_000, 16_384, 16_385, 70_000, 5, 6, 7, 300_000, 1_048_576]

test('a CAR is the bytes @ipld/car makes', async (t) => {
  const blocks = randomBlocks(SIZES, seededRandom(91))
  const ours = await collect(carStream([blocks[3]!.cid], blocks))
  const buffer = new ArrayBuffer(ours.length + 100)
  const writer = CarBufferWriter.createWriter(buffer, { roots: [CID.parse(blocks[3]!.cid)] })
  for (const { cid, bytes } of blocks) writer.write({ cid: CID.parse(cid), bytes })
  t.deepEqual(ours, Buffer.from(writer.close({ resize: true })))
  const reader = await CarReader.fromBytes(ours)
  t.is((await reader.getRoots())[0]!.toString(), blocks[3]!.cid)
})

test('a CAR cut into any chunks gives back its roots and blocks', async (t) => {
  const seed = 92
  const random = seededRandom(seed)
  const blocks = randomBlocks([...SIZES, ...SIZES], random)
  for (const rootCount of [0, 1, 2, 23, 24, 30, 255, 256, 300]) {
    const roots = Array.from({ length: rootCount }, () => cidOf(random.bytes(32), 'dag-pb'))
    const bytes = await collect(carStream(roots, rootCount < 3 ? blocks : []))
    const most = rootCount % 2 === 0 ? 40_000 : 2_000_000
    const car = await readCar(cut(bytes, () => 1 + random.next(most)))
    t.deepEqual(
      car.roots.map(({ digest, codec }) => cidOf(digest, codec)),
      roots,
      `seed ${seed}`,
    )
    const read = []
    for await (const block of car.blocks) read.push(block)
    t.is(read.length, rootCount < 3 ? blocks.length : 0)
    t.true(
      read.every((block, i) => block.cid === blocks[i]!.cid && Buffer.compare(block.bytes, blocks[i]!.bytes) === 0),
    )
  }
})

test('the stream asks for a block only when the consumer wants more', async (t) => {
  let pulled = 0
  const block = randomBlocks([0, 200_000], seededRandom(93))[1]!
  async function* source(): AsyncGenerator<CarInput> {
    for (; pulled < 100;) {
      pulled++
      yield block
    }
  }
  const stream = carStream([block.cid], source())
  for (let i = 0; i < 4; i++) await stream.next()
  t.true(pulled <= 3)
  await stream.return()
})

test('a wrong block is WRONG_BLOCK, a truncated CAR is CORRUPT', async (t) => {
  const random = seededRandom(94)
  const blocks = randomBlocks([100, 5000, 100], random)
  const read = async (bytes: Uint8Array): Promise<number> => {
    let count = 0
    for await (const block of (await readCar(cut(bytes, () => 1000))).blocks) count += block.bytes.length === 0 ? 0 : 1
    return count
  }
  const wrong = await collect(carStream([blocks[0]!.cid], [{ cid: blocks[0]!.cid, bytes: blocks[1]!.bytes }]))
  t.true(isDriveError(await t.throwsAsync(read(wrong)), 'WRONG_BLOCK'))
  const whole = await collect(carStream([blocks[0]!.cid], blocks))
  t.is(await read(whole), 3)
  const ends = [0, 1, 30, 58, 59, 60, 61, 95, 96, 97, 150, 300, 4000, whole.length - 1]
  let refused = 0
  for (const end of ends) {
    const outcome = await read(whole.subarray(0, end)).catch((error: unknown) => error)
    if (typeof outcome === 'number') t.true(outcome < 3)
    else if (isDriveError(outcome, 'CORRUPT')) refused++
    else t.fail(String(outcome))
  }
  t.true(refused >= ends.length - 2)
})

test('damaged CARs are CORRUPT or WRONG_BLOCK, never another failure', async (t) => {
  const seed = 95
  const random = seededRandom(seed)
  const blocks = randomBlocks([10, 300, 10], random)
  const whole = await collect(carStream([blocks[0]!.cid], blocks))
  for (let round = 0; round < 500; round++) {
    try {
      for await (const block of (await readCar([damaged(whole, random)])).blocks) t.truthy(block.cid)
    } catch (error) {
      t.true(isDriveError(error, 'CORRUPT') || isDriveError(error, 'WRONG_BLOCK'), `seed ${seed}: ${String(error)}`)
    }
  }
})

test('a reader that stops early closes the source', async (t) => {
  const blocks = randomBlocks([100, 100], seededRandom(96))
  const whole = await collect(carStream([blocks[0]!.cid], blocks))
  let closed = false
  async function* source(): AsyncGenerator<Uint8Array> {
    try {
      yield whole
    } finally {
      closed = true
    }
  }
  for await (const block of (await readCar(source())).blocks) {
    t.truthy(block)
    break
  }
  t.true(closed)
})

test.serial('framing keeps every byte, and its speed is logged', async (t) => {
  const block = randomBlocks([0, 256 * 1024], seededRandom(97))[1]!
  t.is(carHeader([cidBytes(parseCid(block.cid))]).length, 58)
  const started = performance.now()
  let bytes = 0
  const many = Array.from({ length: 2000 }, () => block)
  for await (const chunk of carStream([block.cid], many)) bytes += chunk.length
  const perSecond = bytes / 1e6 / ((performance.now() - started) / 1000)
  t.log(`${perSecond.toFixed(0)} MB/s`)
  t.true(bytes > 2000 * 256 * 1024)
})
