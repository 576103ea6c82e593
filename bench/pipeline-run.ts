/**
 * One run over the files of a directory, as a separate process whose CPU time the caller measures.
 *   limit   chunk, derive, seal and hash on one thread; the result is discarded
 *   store   the pool, the block store, one metadata row for each chunk, everything durable at the end
 */
import { closeSync, mkdirSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { MIB, seededRandom, silentLog } from '../src/base/index.js'
import { createRecordSealer, deriveDriveKeys } from '../src/crypto/index.js'
import { punchHole, readWithoutWaiting } from '../src/platform/index.js'
import { openPipeline } from '../src/pipeline/index.js'
import { createBatchSealer, sealedCapacity } from '../src/pipeline/seal-chunks.js'
import { rowCapacity, Rows } from '../src/pipeline/rows.js'
import { chunkKey, encodeChunk, TABLES } from '../src/tree-state/index.js'
import { openBlockStore } from '../src/storage/blocks/index.js'
import { openEnvironment } from '../src/storage/kv/index.js'

const BATCH_BYTES = 4 * MIB
const IN_FLIGHT = 3
const COMMIT_BYTES = 64 * MIB
const keys = deriveDriveKeys(seededRandom(1).bytes(32))

const [, , mode = '', source = '', target = ''] = process.argv
if (mode === 'limit') runLimit()
else await runStore()

function runLimit(): void {
  const sealer = createBatchSealer(keys)
  const batch = Buffer.alloc(BATCH_BYTES)
  const items = [{ offset: 0, length: BATCH_BYTES, mode: 'content-defined', final: false }] as const
  const rows = new Rows(rowCapacity(items))
  const out = Buffer.alloc(sealedCapacity(items))
  for (const path of files()) {
    forEachBatch(path, batch, (length, kept, final) => {
      const count = sealer.sealBatch(batch, [{ ...items[0], length: kept + length, final }], rows, out)
      return final || count === 0 ? kept + length : rows.offset(count - 1) + rows.length(count - 1)
    })
  }
}

async function runStore(): Promise<void> {
  mkdirSync(target, { recursive: true })
  const blocks = await openBlockStore({
    directory: join(target, 'blocks'),
    log: silentLog,
    fileCalls: { punchHole, readWithoutWaiting },
  })
  const sealer = createRecordSealer(keys.localKey, seededRandom(2))
  const meta = openEnvironment({ path: join(target, 'meta'), log: silentLog, sealer })
  const chunks = meta.table(TABLES.chunks, { sealed: true })
  const pipeline = openPipeline({
    segmentDirectory: blocks.segmentDirectory,
    keys,
    findDuplicate: (id) => blocks.findDuplicate(id),
  })
  const slots = Array.from({ length: IN_FLIGHT }, () => Buffer.from(new SharedArrayBuffer(BATCH_BYTES)))
  let sinceCommit = 0
  let committing: Promise<void> = Promise.resolve()
  const commit = async (): Promise<void> => {
    await blocks.commit()
    await meta.commit()
  }

  const sealFile = async (path: string, ino: number, slot: Buffer): Promise<void> => {
    const handle = openSync(path, 'r')
    let kept = 0
    let offset = 0
    for (;;) {
      const length = readSync(handle, slot, kept, slot.length - kept, null)
      const final = kept + length < slot.length
      const [item] = await pipeline.seal({
        data: slot,
        items: [{ offset: 0, length: kept + length, mode: 'content-defined', final }],
      })
      blocks.index(
        item!.chunks.flatMap((chunk) => (chunk.location === undefined ? [] : [{ ...chunk, location: chunk.location }])),
      )
      for (const chunk of item!.chunks) {
        const row = { offset, length: chunk.plainLength, skip: 0, digest: chunk.digest, key: chunk.key, born: 1 }
        chunks.put(chunkKey(ino, offset), encodeChunk(row))
        offset += chunk.plainLength
      }
      sinceCommit += item!.consumed
      if (sinceCommit >= COMMIT_BYTES) {
        sinceCommit = 0
        committing = committing.then(commit)
      }
      slot.copyWithin(0, item!.consumed, kept + length)
      kept = kept + length - item!.consumed
      if (final) break
    }
    closeSync(handle)
  }

  const waiting = files().map((path, index) => ({ path, ino: index + 2 }))
  await Promise.all(
    slots.map(async (slot) => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
        await sealFile(next.path, next.ino, slot)
    }),
  )
  await committing
  await commit()
  await pipeline.close()
  await meta.close()
  await blocks.close()
}

function files(): string[] {
  return readdirSync(source).map((name) => join(source, name))
}

/** Fills `batch` after the rest of the previous call; `take` returns the number of bytes it consumed. */
function forEachBatch(
  path: string,
  batch: Buffer,
  take: (length: number, kept: number, final: boolean) => number,
): void {
  const handle = openSync(path, 'r')
  let kept = 0
  for (;;) {
    const length = readSync(handle, batch, kept, batch.length - kept, null)
    const final = kept + length < batch.length
    const consumed = take(length, kept, final)
    batch.copyWithin(0, consumed, kept + length)
    kept = kept + length - consumed
    if (final) break
  }
  closeSync(handle)
}
