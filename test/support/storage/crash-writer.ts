/**
 * A process that writes batches and prints which are durable, until it is killed; for crash tests. Arguments:
 * 'environment' or 'blocks', a directory, the first batch number, a seed. Batch n of the environment puts `ROWS` rows
 * with value n and the row `last`. Batch n of the block store indexes `BLOCKS` blocks derived from (n, i).
 */
import { writeSync } from 'node:fs'
import { seededRandom, silentLog } from '../../../src/base/index.js'
import { openBlockStore } from '../../../src/storage/blocks/block-store.js'
import { openEnvironment } from '../../../src/storage/kv/environment.js'
import { be64 } from '../../../src/storage/kv/key-integers.js'
import { openSegmentWriter } from '../../../src/storage/segments/segment-writer.js'
import { crashBlock, testSealer } from './storage.js'

const ROWS = 1500
const BLOCKS = 5
const [, , kind, directory, first, seed] = process.argv as unknown as [string, string, string, string, string, string]
const random = seededRandom(Number(seed))
const acknowledge = (batch: number): void => void writeSync(1, `${String(batch)}\n`)

async function writeRows(): Promise<void> {
  const environment = openEnvironment({ path: directory, sealer: testSealer(), log: silentLog })
  const table = environment.table('rows', { sealed: true })
  for (let batch = Number(first); ; batch++) {
    for (let i = 0; i < ROWS; i++) table.put(be64(i), be64(batch))
    table.put(Buffer.from('last'), be64(batch))
    const done = environment.commit().then(() => acknowledge(batch))
    if (random.next(3) > 0) await done
  }
}

async function writeBlocks(): Promise<void> {
  const store = await openBlockStore({ directory, log: silentLog, segmentBytes: 300_000 })
  const writer = openSegmentWriter(store.segmentDirectory, { segmentBytes: 200_000 })
  for (let batch = Number(first); ; batch++) {
    const blocks = Array.from({ length: BLOCKS }, (_, i) => crashBlock(batch, i))
    if (batch % 2 === 0) store.ingest(blocks, { onlyCopy: true })
    else {
      const bytes = Buffer.concat(blocks.map((block) => block.bytes))
      const lengths = blocks.map((block) => block.bytes.length)
      const locations = writer.append(bytes, lengths)
      store.index(blocks.map(({ digest }, i) => ({ digest, location: locations[i]! })))
    }
    if (batch % 7 === 0) {
      const refetchable = crashBlock(-batch, 0)
      store.ingest([refetchable], { onlyCopy: false })
      if (random.next(2) === 0) await store.evictTo(0)
    }
    const done = store.commit().then(() => acknowledge(batch))
    if (random.next(3) > 0) await done
  }
}

await (kind === 'blocks' ? writeBlocks() : writeRows())
