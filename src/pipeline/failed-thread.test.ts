import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Worker, WorkerOptions } from 'node:worker_threads'
import test from 'ava'
import { isDriveError, MIB } from '../base/index.js'
import { openPipeline, type SealItem } from './index.js'

const threads = createRequire(import.meta.url)('node:worker_threads') as { Worker: typeof Worker }

/** Until the returned function is called, every new thread fails while it starts. */
function breakThreads(): () => void {
  const { Worker: Working } = threads
  threads.Worker = class extends Working {
    constructor(_file: string | URL, options?: WorkerOptions) {
      super('throw new Error("this thread cannot start")', { ...options, eval: true })
    }
  }
  return () => (threads.Worker = Working)
}

const jobOf = (length: number): { data: Uint8Array; items: SealItem[] } => ({
  data: new Uint8Array(new SharedArrayBuffer(length)),
  items: [{ offset: 0, length, mode: 'fixed', final: true }],
})

test.serial(
  'a thread that cannot start fails the unclaimed jobs, but no job that another thread is reading',
  async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'dagdrive-pipe-'))
    const keys = { dedupKey: Buffer.alloc(32, 1), gearKey: Buffer.alloc(32, 2) }
    const pipeline = openPipeline({ segmentDirectory: directory, keys, workers: 2, core: 'javascript' })
    t.teardown(async () => {
      await pipeline.close()
      rmSync(directory, { recursive: true })
    })
    await pipeline.seal(jobOf(1000))
    const large = jobOf(96 * MIB)
    let isDone = false
    const reading = pipeline.seal(large).finally(() => (isDone = true))
    const works = breakThreads()
    t.teardown(works)
    const failed = await t.throwsAsync(pipeline.seal(jobOf(1000)))
    t.true(isDriveError(failed, 'INTERNAL'))
    t.false(isDone, 'the other thread was still at work')
    t.is((await reading)[0]!.consumed, large.data.length)
    works()
    t.is((await pipeline.seal(jobOf(1000)))[0]!.consumed, 1000, 'the pool goes on')
  },
)
