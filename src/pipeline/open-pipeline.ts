import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Piscina } from 'piscina'
import { BoundedQueue, DriveError, fromWire, throwIfAborted } from '../base/index.js'
import { nativeSeal } from '../platform/index.js'
import type { Pipeline, PipelineOptions, SealedItem, SealJob } from './contract.js'
import { claim, type Claim, type PoolAnswer, type PoolTask, type SealTask, type WorkerSetup } from './pool-messages.js'
import { Rows } from './rows.js'
import { sealUnknown } from './seal-unknown.js'
import { describeItems, itemLocation } from './sealed-items.js'

const DEFAULT_WORKERS = 4
const DEFAULT_IDLE_MS = 20_000

type Sealed = Exclude<PoolAnswer, { error: unknown }>

/** Opens the pool; threads start with the first job. */
export function openPipeline(options: PipelineOptions): Pipeline {
  const workers = options.workers ?? Math.min(DEFAULT_WORKERS, availableParallelism())
  const { segmentDirectory, core } = options
  const idleMs = options.idleTimeoutMs ?? DEFAULT_IDLE_MS
  const keys = { dedupKey: Uint8Array.from(options.keys.dedupKey), gearKey: Uint8Array.from(options.keys.gearKey) }
  const pool = new Piscina<PoolTask, PoolAnswer>({
    filename: fileURLToPath(new URL('./pool-worker.js', import.meta.url)),
    minThreads: 0,
    maxThreads: workers,
    idleTimeout: idleMs,
    // the threads then wait in their event loop, so their timers run between tasks
    atomics: 'disabled',
    recordTiming: false,
    workerData: { segmentDirectory, keys, core, restMs: idleMs / 2 } satisfies WorkerSetup,
  })
  // This event is piscina's only report of a thread that cannot start; the task of that thread would wait for ever.
  // Only unclaimed tasks are rejected. A running task still reads the caller's memory, so its job must not settle.
  const open = new Map<Claim, (error: Error) => void>()
  pool.on('error', (cause: unknown) => {
    for (const [state, reject] of open) {
      if (claim(state, 'given up')) reject(new DriveError('INTERNAL', 'A pipeline thread failed.', { cause }))
    }
  })
  const runTask = (task: SealTask): Promise<PoolAnswer> =>
    new Promise((resolve, reject) => {
      const state: Claim = new Int32Array(new SharedArrayBuffer(4))
      open.set(state, reject)
      pool
        .run({ ...task, claim: state })
        .then(resolve, (cause: unknown) => reject(new DriveError('INTERNAL', 'A pipeline thread failed.', { cause })))
        .finally(() => open.delete(state))
    })
  // one job more than threads: a thread has its next job while this thread handles the last answer
  const queue = new BoundedQueue(workers + 1)
  const active = new Set<Promise<unknown>>()
  let closed = false

  const submit = async (task: SealTask, urgent: boolean, signal: AbortSignal | undefined): Promise<Sealed> => {
    const answer = await queue.run(() => runTask(task), { urgent, signal })
    throwIfAborted(signal)
    if ('error' in answer) throw fromWire(answer.error)
    return answer
  }

  const sealJob = async (job: SealJob, signal: AbortSignal | undefined): Promise<SealedItem[]> => {
    const { items } = job
    const data = shareable(job.data)
    const { findDuplicate } = options
    if (findDuplicate !== undefined) {
      return sealUnknown({ data, items }, findDuplicate, (task) => submit(task, task.kind === 'rows', signal))
    }
    const { rows, count, places } = await submit({ kind: 'all', data, items }, false, signal)
    const table = new Rows(rows)
    return describeItems(items, table, count, (row) => ({
      digest: table.digest(row),
      location: itemLocation(places, row, table.sealedLength(row)),
    }))
  }

  return {
    async seal(job, { signal } = {}) {
      if (closed) throw new DriveError('INTERNAL', 'The pipeline is closed.')
      checkItems(job)
      const work = sealJob(job, signal)
      active.add(work)
      try {
        return await work
      } finally {
        active.delete(work)
      }
    },
    get load() {
      return queue.load
    },
    core: core ?? (nativeSeal() === undefined ? 'javascript' : 'native'),
    async close() {
      closed = true
      await Promise.allSettled(active)
      await pool.destroy()
    },
  }
}

/** Memory that a thread can read: shared memory as it is, other memory as a shared copy. */
function shareable(data: Uint8Array): Uint8Array {
  if (data.buffer instanceof SharedArrayBuffer) return data
  const copy = new Uint8Array(new SharedArrayBuffer(data.length))
  copy.set(data)
  return copy
}

function checkItems({ data, items }: SealJob): void {
  for (const { offset, length } of items) {
    const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length)
    if (!whole || offset < 0 || length < 0 || offset + length > data.length) {
      throw new DriveError('INTERNAL', 'A job names bytes outside its data.')
    }
  }
}
