/** A worker thread that increments the value of every row at each 'commit'; for tests of snapshots. */
import { parentPort, workerData } from 'node:worker_threads'
import { silentLog } from '../../../src/base/index.js'
import { openEnvironment } from '../../../src/storage/kv/environment.js'
import { be64 } from '../../../src/storage/kv/key-integers.js'
import { testSealer } from './storage.js'

const { path, rows } = workerData as { path: string; rows: number }
const environment = openEnvironment({ path, sealer: testSealer(), log: silentLog })
const table = environment.table('rows', { sealed: true })
let generation = 0

parentPort!.on('message', (message: string) => {
  void (async () => {
    if (message === 'close') {
      await environment.close()
      parentPort!.postMessage(generation)
      parentPort!.close()
      return
    }
    generation++
    for (let i = 0; i < rows; i++) table.put(be64(i), Buffer.of(generation))
    await environment.commit()
    parentPort!.postMessage(generation)
  })()
})
