import test from 'ava'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog, systemRandom } from '../base/index.js'
import { createRecordSealer } from '../crypto/index.js'
import { openEnvironment, openEnvironmentReader } from '../storage/kv/index.js'
import { MemoryEnvironment } from '../../test/support/sync/memory-environment.js'
import { treeViewSuite } from '../../test/suites/tree-view.suite.js'

treeViewSuite(test, 'in memory', () => {
  const environment = new MemoryEnvironment()
  const reader = environment.reader()
  return { environment, snapshot: () => reader.snapshot(), close: () => environment.close() }
})

treeViewSuite(test, 'on disk', () => {
  const path = mkdtempSync(join(tmpdir(), 'dagdrive-tree-view-'))
  const sealer = createRecordSealer(systemRandom.bytes(32), systemRandom)
  const environment = openEnvironment({ path: join(path, 'meta'), sealer, log: silentLog })
  const reader = openEnvironmentReader(join(path, 'meta'), sealer)
  return {
    environment,
    snapshot: () => reader.snapshot(),
    close: async () => {
      await reader.close()
      await environment.close()
      rmSync(path, { recursive: true, force: true })
    },
  }
})
