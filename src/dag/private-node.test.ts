import test from 'ava'
import { isDriveError, seededRandom } from '../base/index.js'
import { NODE_CAPACITY, openPrivateNode, padNode, sealPrivateNode, unpad } from './private-node.js'
import { damaged } from '../../test/support/dag/blocks.js'

const KIB = 1024

test('a node opens to the bytes it was sealed from, at every permitted length', (t) => {
  const random = seededRandom(11)
  for (const length of [
    0,
    1,
    1006,
    1007,
    1008,
    2031,
    2032,
    65_000,
    262_126,
    262_127,
    262_128,
    700_000,
    NODE_CAPACITY,
  ]) {
    const plain = random.bytes(length)
    const { ref, block } = sealPrivateNode(plain, random)
    t.deepEqual(new Uint8Array(openPrivateNode(block.bytes, ref)), plain)
    t.deepEqual(ref.digest, block.digest)
    t.is(block.codec, 'raw')
    const size = block.bytes.length
    const isPower = size <= 256 * KIB && size >= KIB && (size & (size - 1)) === 0
    t.true(
      isPower || (size > 256 * KIB && size % (64 * KIB) === 0 && size <= 1024 * KIB),
      `length ${length} gave ${size}`,
    )
  }
})

test('lengths that only differ within one step are sealed to equal lengths', (t) => {
  const random = seededRandom(12)
  const sizes = [1, 100, 1007].map((length) => sealPrivateNode(random.bytes(length), random).block.bytes.length)
  t.deepEqual(sizes, [KIB, KIB, KIB])
})

test('the same bytes sealed twice give different keys and blocks', (t) => {
  const random = seededRandom(13)
  const [one, two] = [sealPrivateNode(new Uint8Array(10), random), sealPrivateNode(new Uint8Array(10), random)]
  t.notDeepEqual(one.ref, two.ref)
})

test('more bytes than a block holds are refused with FILE_TOO_LARGE', (t) => {
  const error = t.throws(() => sealPrivateNode(new Uint8Array(NODE_CAPACITY + 1), seededRandom(14)))
  t.true(isDriveError(error, 'FILE_TOO_LARGE'))
})

test('damaged blocks, wrong keys and wrong padding are CORRUPT', (t) => {
  const random = seededRandom(15)
  const { ref, block } = sealPrivateNode(random.bytes(300), random)
  for (let round = 0; round < 300; round++) {
    const bytes = damaged(block.bytes, random)
    if (Buffer.compare(bytes, block.bytes) === 0) continue
    t.true(
      isDriveError(
        t.throws(() => openPrivateNode(bytes, ref)),
        'CORRUPT',
      ),
    )
  }
  t.true(
    isDriveError(
      t.throws(() => openPrivateNode(block.bytes, { key: random.bytes(32) })),
      'CORRUPT',
    ),
  )
  t.true(
    isDriveError(
      t.throws(() => openPrivateNode(new Uint8Array(2 ** 20 + 1), ref)),
      'CORRUPT',
    ),
  )
  t.true(
    isDriveError(
      t.throws(() => unpad(new Uint8Array(1008))),
      'CORRUPT',
    ),
  )
  const padded = padNode(new Uint8Array(10))
  t.true(
    isDriveError(
      t.throws(() => unpad(Buffer.concat([padded, new Uint8Array(1024)]))),
      'CORRUPT',
    ),
  )
})
