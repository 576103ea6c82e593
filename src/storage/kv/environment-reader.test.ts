import test from 'ava'
import { Worker } from 'node:worker_threads'
import { isDriveError, silentLog } from '../../base/index.js'
import { openEnvironmentReader } from './environment-reader.js'
import { openEnvironment } from './environment.js'
import { be64 } from './key-integers.js'
import { scratchDirectory, testSealer } from '../../../test/support/storage/storage.js'

const ROWS = 3000

test('a snapshot does not change while another thread commits, and the next one is newer', async (t) => {
  const scratch = scratchDirectory()
  const { path } = scratch
  const worker = new Worker(new URL('../../../test/support/storage/commit-worker.js', import.meta.url), {
    workerData: { path, rows: ROWS },
  })
  try {
    const ask = (message: string): Promise<number> =>
      new Promise((resolve) => {
        worker.once('message', resolve)
        worker.postMessage(message)
      })
    await ask('commit')
    const reader = openEnvironmentReader(path, testSealer())
    let before = 0
    for (let round = 0; round < 10; round++) {
      const snapshot = reader.snapshot()
      const table = snapshot.table('rows', { sealed: true })
      const generation = table.get(be64(0))![0]!
      t.true(generation > before)
      before = generation
      await ask('commit')
      const concurrent = ask('commit')
      const values = [...table.range()].map(([, value]) => value[0])
      t.is(values.length, ROWS)
      t.true(values.every((value) => value === generation))
      for (let i = 0; i < ROWS; i++) t.is(table.get(be64(i))![0], generation)
      await concurrent
      t.is(table.get(be64(1))![0], generation)
      snapshot.close()
      t.throws(() => table.get(be64(0)))
    }
    await reader.close()
    await ask('close')
  } finally {
    await worker.terminate()
    scratch.remove()
  }
})

test('two snapshots of different moments live side by side', async (t) => {
  const scratch = scratchDirectory()
  const { path } = scratch
  const environment = openEnvironment({ path, log: silentLog })
  const reader = openEnvironmentReader(path)
  try {
    const table = environment.table('rows')
    table.put(be64(1), Buffer.of(1))
    await environment.commit()
    const first = reader.snapshot()
    table.put(be64(1), Buffer.of(2))
    await environment.commit()
    const second = reader.snapshot()
    t.is(first.table('rows').get(be64(1))![0], 1)
    t.is(second.table('rows').get(be64(1))![0], 2)
    const error = t.throws(() => first.table('unknown'))
    t.true(isDriveError(error, 'INTERNAL'))
    first.close()
    t.is(second.table('rows').get(be64(1))![0], 2)
    second.close()
  } finally {
    await reader.close()
    await environment.close()
    scratch.remove()
  }
})
