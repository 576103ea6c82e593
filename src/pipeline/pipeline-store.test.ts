/** The pipeline over the real block store. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { isDriveError, seededRandom, silentLog } from '../base/index.js'
import { punchHole, readWithoutWaiting } from '../platform/index.js'
import { openBlockStore } from '../storage/blocks/index.js'
import { createCore, openPipeline, type SealedChunk, type SealItem } from './index.js'

const random = seededRandom(20)
const keys = { dedupKey: random.bytes(32), gearKey: random.bytes(32) }

async function inDirectory(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'dagdrive-pipe-'))
  try {
    await use(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

test('R-10 R-11 sealed files are read back from the store, and saving one again writes only the changed chunks', async (t) => {
  await inDirectory(async (directory) => {
    const store = await openBlockStore({ directory, log: silentLog, fileCalls: { punchHole, readWithoutWaiting } })
    const pipeline = openPipeline({
      segmentDirectory: store.segmentDirectory,
      keys,
      workers: 1,
      findDuplicate: (dedupId) => store.findDuplicate(dedupId),
    })
    const core = createCore()
    try {
      const file = Buffer.from(new SharedArrayBuffer(2_500_000))
      file.set(random.bytes(file.length))
      const save = async (): Promise<readonly SealedChunk[]> => {
        const items: SealItem[] = [{ offset: 0, length: file.length, mode: 'content-defined', final: true }]
        const [item] = await pipeline.seal({ data: file, items })
        store.index(
          item!.chunks.flatMap((chunk) =>
            chunk.location === undefined ? [] : [{ ...chunk, location: chunk.location }],
          ),
        )
        await store.commit()
        return item!.chunks
      }
      const written = (chunks: readonly SealedChunk[]): number =>
        chunks.filter(({ location }) => location !== undefined).length
      const check = async (chunks: readonly SealedChunk[]): Promise<void> => {
        const pieces = chunks.map(async ({ digest, key }) => core.openLeaf((await store.read(digest))!, key))
        t.true(Buffer.concat(await Promise.all(pieces)).equals(file))
      }
      const first = await save()
      t.is(written(first), first.length)
      await check(first)
      t.is(written(await save()), 0)
      file[1_500_000]! ^= 1
      const second = await save()
      t.true(written(second) >= 1 && written(second) <= 2 && second.length >= 4)
      await check(second)
    } finally {
      await pipeline.close()
      await store.close()
    }
  })
})

test('a thread that cannot work makes the job reject instead of hang', async (t) => {
  await inDirectory(async (directory) => {
    const segmentDirectory = join(directory, 'file')
    writeFileSync(segmentDirectory, '')
    const pipeline = openPipeline({ segmentDirectory, keys, workers: 1 })
    try {
      const items: SealItem[] = [{ offset: 0, length: 100, mode: 'fixed', final: true }]
      for (let round = 0; round < 2; round++) {
        t.true(isDriveError(await t.throwsAsync(pipeline.seal({ data: new Uint8Array(100), items }))))
      }
      t.is(pipeline.load, 0)
    } finally {
      await pipeline.close()
    }
  })
})
