import test from 'ava'
import { DriveError, KIB, MIB, systemRandom } from '../../base/index.js'
import { OpenedBlocks, RecentBlocks, type Opener } from './opened-blocks.js'
import { ScratchPool } from './scratch-pool.js'

const BLOCK_BYTES = 256 * KIB
/** More blocks than the cache keeps. */
const MANY = 200

/** Opens a block to bytes that all are the first byte of its sealed form; 255 stands for a damaged one. */
const opener: Opener = {
  openLeafInto(sealed, _key, into) {
    if (sealed[0] === 255) throw new DriveError('CORRUPT', 'damaged')
    into.fill(sealed[0] ?? 0, 0, sealed.length - 16)
    return sealed.length - 16
  },
}

const key = systemRandom.bytes(32)

function sealed(value: number, bytes = BLOCK_BYTES): Uint8Array {
  return Buffer.alloc(bytes, value)
}

const endOfTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Opens blocks until those opened before have left the cache. */
async function openMany(recent: RecentBlocks, value: number, seen: Set<ArrayBufferLike>): Promise<void> {
  for (let i = 0; i < MANY; i++) {
    seen.add(recent.open(`${String(value)} ${String(i)}`, key, sealed(value)).plain.buffer)
    await endOfTurn()
  }
}

test('R-73 buffers of opened blocks are used again, also after damaged blocks', async (t) => {
  const recent = new RecentBlocks(opener)
  const seen = new Set<ArrayBufferLike>()
  for (let value = 1; value < 5; value++) {
    await openMany(recent, value, seen)
    t.throws(() => recent.open('damaged', key, sealed(255)), { message: 'damaged' })
  }
  t.true(seen.size * BLOCK_BYTES <= 40 * MIB, `${String(seen.size)} buffers for ${String(4 * MANY)} blocks`)
})

test('R-01 views of a block stay as they are during the turn in which the block leaves the cache', async (t) => {
  const recent = new RecentBlocks(opener)
  const { plain } = recent.open('first', key, sealed(1))
  for (let i = 0; i < MANY; i++) recent.open(String(i), key, sealed(2))
  t.false(recent.has('first'))
  await Promise.resolve()
  t.true(plain.every((byte) => byte === 1))
})

test('R-01 a block stays as it is while a reader holds it, even if it had left the cache', async (t) => {
  const recent = new RecentBlocks(opener)
  const seen = new Set<ArrayBufferLike>()
  const [own, other, late] = [new OpenedBlocks(), new OpenedBlocks(), new OpenedBlocks()]
  const block = recent.open('first', key, sealed(1))
  own.hold('first', block)
  for (let i = 0; i < MANY; i++) recent.open(String(i), key, sealed(2))
  // Held again in the turn in which nobody else did.
  own.release()
  other.hold('first', block)
  await openMany(recent, 3, seen)
  t.true(other.get('first')!.every((byte) => byte === 1))
  t.false(seen.has(block.plain.buffer))
  other.release()
  other.release()
  await openMany(recent, 4, seen)
  late.hold('first', block)
  t.is(late.get('first'), undefined, 'its buffer is no longer its own')
  own.hold('first', recent.open('new', key, sealed(5)))
  t.is(own.get('first'), undefined, 'a reader that has ended holds nothing')
  t.true(seen.has(block.plain.buffer), 'and is used again')
})

test('R-73 readers of sealed blocks share a few buffers', async (t) => {
  const made: Uint8Array[] = []
  const pool = new ScratchPool(() => {
    made.push(new Uint8Array(1))
    return made.at(-1)!
  })
  const lent = new Set<Uint8Array>()
  const order: number[] = []
  await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      pool
        .with(async (scratch) => {
          t.false(lent.has(scratch))
          lent.add(scratch)
          await endOfTurn()
          lent.delete(scratch)
          order.push(i)
          if (i % 7 === 0) throw new Error('failed')
        })
        .catch(() => undefined),
    ),
  )
  t.true(made.length <= 8)
  t.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  )
  pool.clear()
  await pool.with(async (scratch) => t.true(made.includes(scratch)))
})
