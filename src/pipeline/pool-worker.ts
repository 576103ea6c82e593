/**
 * A pool thread: owns one segment writer and reused buffers; piscina calls the default export with one task at a time.
 */
import { workerData } from 'node:worker_threads'
import { DriveError, toWire, type WireError } from '../base/index.js'
import { allocatePages } from '../platform/thread.js'
import { openSegmentWriter, type SegmentWriter } from '../storage/segments/thread.js'
import { createBatchSealer, javascriptSealer, sealedCapacity, type BatchSealer } from './seal-chunks.js'
import { claim, type PoolAnswer, type PoolTask, type WorkerSetup } from './pool-messages.js'
import { ROW_BYTES, rowCapacity, Rows } from './rows.js'

const setup = workerData as WorkerSetup
const sealer: BatchSealer = setup.core === 'javascript' ? javascriptSealer(setup.keys) : createBatchSealer(setup.keys)
let writer: SegmentWriter | undefined
let out: Buffer = Buffer.alloc(0)
let isOnPage = false
// The pool ends an idle thread without notice. This timer finishes the segment before that, so eviction can remove it.
const rest = setTimeout(() => {
  writer?.close()
  writer = undefined
  out = Buffer.alloc(0)
}, setup.restMs).unref()

export default function run(task: PoolTask): PoolAnswer {
  rest.refresh()
  try {
    // After the job was given up, its memory may belong to another job.
    if (!claim(task.claim, 'taken')) throw new DriveError('ABORTED', 'The job was given up.')
    return task.kind === 'rows' ? sealGivenRows(task) : sealItems(task)
  } catch (error) {
    return { error: describe(error) }
  }
}

function sealItems(task: Extract<PoolTask, { kind: 'all' | 'keys' }>): PoolAnswer {
  const rows = new Rows(rowCapacity(task.items))
  const target = task.kind === 'all' ? room(sealedCapacity(task.items)) : undefined
  const count = sealer.sealBatch(task.data, task.items, rows, target)
  return {
    rows: rows.bytes.slice(0, count * ROW_BYTES),
    count,
    places: task.kind === 'all' ? append(rows, count) : new Float64Array(0),
  }
}

function sealGivenRows(task: Extract<PoolTask, { kind: 'rows' }>): PoolAnswer {
  const rows = new Rows(task.rows)
  let bytes = 0
  for (let row = 0; row < task.count; row++) bytes += rows.sealedLength(row)
  sealer.sealRows(task.data, rows, task.count, room(bytes))
  return { rows: rows.bytes, count: task.count, places: append(rows, task.count) }
}

function room(bytes: number): Buffer {
  if (out.length >= bytes) return out
  const pages = allocatePages(bytes)
  isOnPage = pages !== undefined
  out = pages ?? Buffer.allocUnsafeSlow(bytes)
  return out
}

/** One write for the whole batch. */
function append(rows: Rows, count: number): Float64Array {
  const lengths: number[] = []
  let bytes = 0
  for (let row = 0; row < count; row++) {
    const length = rows.sealedLength(row)
    if (length === 0) continue
    lengths.push(length)
    bytes += length
  }
  if (bytes === 0) return new Float64Array(0)
  writer ??= openSegmentWriter(setup.segmentDirectory, { direct: isOnPage })
  const locations = writer.append(out.subarray(0, bytes), lengths)
  const places = new Float64Array(2 * locations.length)
  locations.forEach(({ segment, offset }, index) => places.set([segment, offset], 2 * index))
  return places
}

function describe(error: unknown): WireError {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return toWire(new DriveError('NO_SPACE', 'The disk of the block cache is full.'))
  return toWire(error)
}
