import test from 'ava'
import { BoundedQueue } from '../../base/index.js'
import type { ChunkRecord } from '../../tree-state/index.js'
import { loadRows } from './load-rows.js'
import { blockName, OpenedBlocks, RecentBlocks, type BlockRef } from './opened-blocks.js'

const ROWS = 500
const BLOCK_BYTES = 4096

const rowAt = (i: number): ChunkRecord => {
  const digest = Buffer.alloc(32)
  digest.writeUInt32BE(i)
  return { offset: i, digest, key: new Uint8Array(32), length: 1, skip: 4, born: 0 }
}

/** Opens blocks without a store, and counts those that readers hold. */
function rowsOpener() {
  const filled = (sealed: Uint8Array, _key: Uint8Array, room: Uint8Array): number => (room.set(sealed), sealed.length)
  const recent = new RecentBlocks({ openLeafInto: filled })
  let held = 0
  let mostHeld = 0
  const load = async (rows: readonly BlockRef[], own?: OpenedBlocks): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve))
    for (const row of rows) {
      const name = blockName(row)
      own?.hold(name, recent.open(name, row.key, Buffer.alloc(BLOCK_BYTES, row.digest[3])))
    }
    if (own === undefined) return
    mostHeld = Math.max(mostHeld, (held += rows.length))
    const release = own.release.bind(own)
    own.release = () => {
      held -= rows.length
      release()
    }
  }
  return { load, manyRows: new BoundedQueue(2), mostHeld: () => mostHeld }
}

test('S-223 reads of many rows hold a few blocks at a time, and get the bytes of all rows', async (t) => {
  const reader = rowsOpener()
  const rows = Array.from({ length: ROWS }, (_, i) => rowAt(i))
  await Promise.all(
    [1, 2, 3, 4].map(async () => {
      const opened = new OpenedBlocks()
      await loadRows(reader, rows, { opened })
      t.true(rows.every((row, i) => opened.copyOf(row)?.[0] === (i & 255)))
      t.is(opened.copyOf(rows[0]!)!.buffer.byteLength, 1)
      opened.release()
      t.is(opened.copyOf(rows[0]!), undefined)
    }),
  )
  t.true(reader.mostHeld() <= 16, `${reader.mostHeld()} blocks`)
})

test('S-223 a read of a few rows holds their blocks', async (t) => {
  const reader = rowsOpener()
  const rows = Array.from({ length: 16 }, (_, i) => rowAt(i))
  const opened = new OpenedBlocks()
  await loadRows(reader, rows, { opened })
  t.true(rows.every((row) => opened.get(blockName(row))?.length === BLOCK_BYTES && opened.copyOf(row) === undefined))
  opened.release()
})

test('S-223 a row beyond the end of its block is CORRUPT', async (t) => {
  const rows = Array.from({ length: ROWS }, (_, i) => ({ ...rowAt(i), skip: BLOCK_BYTES }))
  await t.throwsAsync(loadRows(rowsOpener(), rows, { opened: new OpenedBlocks() }), { message: /beyond the end/ })
})
