import test from 'ava'
import { caller, createFile, readHandle, scratchDrive, type OpenDrive } from '../../../test/support/vfs/drive.js'
import { GIB, makeSparseFile, PIB } from '../../../test/support/vfs/sparse-file.js'
import { seededRandom } from '../../base/index.js'
import { chunkKey, PAGE_BYTES, pageKey } from '../../tree-state/index.js'
import { FALLOCATE, SEEK } from '../tree.js'
import { shrinkStep, stepEnd } from './steps.js'

/** The most rows of each kind in one step. */
const ROWS_A_STEP = 2048

test('S-115 truncating, zeroing and seeking in a sparse file of a pebibyte look up few rows, because it has few', async (t) => {
  const scratch = scratchDrive()
  t.teardown(() => scratch.remove())
  const drive = await scratch.open()
  const { tree } = drive
  const { ino, handle } = await createFile(tree, 'sparse')
  const punch = { mode: FALLOCATE.PUNCH_HOLE | FALLOCATE.KEEP_SIZE, offset: 0, length: PIB }
  for (const isPunched of [false, true]) {
    await tree.setAttributes(ino, { size: PIB }, undefined, caller)
    await tree.write(ino, handle, PIB, Buffer.from('x'), caller)
    await drive.port.flush()
    const lookUps = countLookUps(drive)
    t.is(await tree.seek(ino, handle, 5, SEEK.DATA, caller), PIB)
    if (isPunched) await tree.allocate(ino, handle, punch, caller)
    t.is((await readHandle(tree, ino, handle, PIB, 1)).toString(), 'x')
    await tree.setAttributes(ino, { size: 0 }, undefined, caller)
    t.true(lookUps() < 1000, `${lookUps()} look-ups`)
  }
  await drive.shut()
})

test('S-065 S-115 a sparse file with many rows far apart is truncated in steps, and other calls are answered in between', async (t) => {
  const scratch = scratchDrive()
  t.teardown(() => scratch.remove())
  const ino = await makeSparseFile(
    scratch,
    Array.from({ length: 3 * ROWS_A_STEP }, (_, i) => i * 20 * GIB),
  )
  const drive = await scratch.open()
  const sizes = new Set<number>()
  let isDone = false
  const work = Promise.resolve(drive.tree.setAttributes(ino, { size: 1 }, undefined, caller)).then(() => {
    isDone = true
  })
  while (!isDone) {
    sizes.add((await drive.tree.getAttributes(ino, caller)).size)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await work
  t.true(sizes.size >= 3, `sizes seen: ${[...sizes].join(', ')}`)
  t.is([...drive.meta.table('chunks', { sealed: true }).range()].length, 1)
  await drive.abandon()
})

test('S-115 steps of work on a range hold a bounded number of rows, wherever the rows are', (t) => {
  const random = seededRandom(3)
  for (const spread of [PAGE_BYTES, GIB, 2 ** 38]) {
    let chunks: Buffer[] = []
    let pages: Buffer[] = []
    for (let i = 0, at = 0; i < 3 * ROWS_A_STEP; i++) {
      at += 1 + random.next(spread)
      if (i % 3 === 0) pages.push(pageKey(7, Math.floor(at / PAGE_BYTES)))
      else chunks.push(chunkKey(7, at))
    }
    const all = partsOf(chunks, pages)
    const count = (from: number, to: number): number =>
      between(chunks, chunkKey(7, from), chunkKey(7, to)).length +
      between(pages, pageKey(7, Math.ceil(from / PAGE_BYTES)), pageKey(7, Math.ceil(to / PAGE_BYTES))).length
    let steps = 0
    for (let at = 0; at < 2 ** 52; steps++) {
      const end = stepEnd(all, 7, at, 2 ** 52)
      t.true(end > at && count(at, end) <= 3 * ROWS_A_STEP)
      at = end
    }
    for (let size = 2 ** 52; size > 0; steps++) {
      chunks = between(chunks, chunkKey(7, 0), chunkKey(7, size))
      pages = between(pages, pageKey(7, 0), pageKey(7, Math.ceil(size / PAGE_BYTES)))
      const parts = partsOf(chunks, pages)
      const next = shrinkStep(parts, { ino: 7, size }, 0)
      t.true(next < size && count(next, size) <= 3 * ROWS_A_STEP)
      size = next
    }
    t.true(steps < 100, `${steps} steps`)
  }
})

const between = (keys: readonly Buffer[], start: Uint8Array, end: Uint8Array): Buffer[] =>
  keys.filter((key) => Buffer.compare(key, start) >= 0 && Buffer.compare(key, end) < 0)

const partsOf = (chunks: readonly Buffer[], pages: readonly Buffer[]) => ({
  state: { tables: { chunks: tableOf(chunks), pages: tableOf(pages) } },
})

const tableOf = (keys: readonly Buffer[]) => ({
  keys: ({ start, end, limit = Infinity }: { start?: Uint8Array; end?: Uint8Array; limit?: number } = {}): Buffer[] =>
    between(keys, start!, end!).slice(0, limit),
})

/** Fails a call after very many look-ups, so that a test that would take minutes ends. */
function countLookUps({ meta }: OpenDrive): () => number {
  let calls = 0
  for (const name of ['chunks', 'pages']) {
    const table = meta.table(name, { sealed: true })
    const range = table.range.bind(table)
    const keys = table.keys.bind(table)
    const counted = (): void => {
      if (++calls > 20_000) throw new Error('There are too many look-ups.')
    }
    table.range = (options) => (counted(), range(options))
    table.keys = (options) => (counted(), keys(options))
  }
  return () => calls
}
