import test from 'ava'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDriveError, silentLog, systemRandom } from '../../base/index.js'
import { type DrivePaths } from '../../platform/index.js'
import { createRecordSealer, createRootKey, deriveDriveKeys } from '../../crypto/index.js'
import type { IpfsNode } from '../../node/index.js'
import { openEnvironment } from '../../storage/kv/index.js'
import { SyncState } from '../../sync/state/sync-state.js'
import { reopeningNode } from './reopening-node.js'
import { takeOverNewer } from './take-over-newer.js'

test('S-013 an unreadable tree is opened as it is, unless a fast-forward has begun', async (t) => {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'dagdrive-newer-'))
  const keys = deriveDriveKeys(createRootKey(systemRandom))
  const sealer = createRecordSealer(keys.localKey, systemRandom)
  const queue = openEnvironment({ path: join(dataDirectory, 'queue'), sealer, log: silentLog })
  t.teardown(async () => {
    await queue.close()
    await rm(dataDirectory, { recursive: true })
  })
  await writeFile(join(dataDirectory, 'meta'), 'not a directory')
  const state = new SyncState(queue)
  state.put('head', { commit: { deviceSlot: 0 } } as never)
  const node = reopeningNode('http://127.0.0.1:1', () => Promise.reject(new Error('no node')))
  const paths = { dataDirectory } as DrivePaths
  const look = (): Promise<unknown> =>
    takeOverNewer({ paths, keys, sealer, queue, node, deviceSlot: 0, log: silentLog, onUnknown: () => undefined })
  t.is(await look(), undefined)
  state.put('takeOver', { version: {} } as never)
  await t.throwsAsync(look())
})

test('a node whose disk does not answer does not block a caller with a signal', async (t) => {
  const node = reopeningNode('http://127.0.0.1:1', () => new Promise<IpfsNode>(() => undefined))
  const caller = new AbortController()
  const asked = node.getName('k51any', { signal: caller.signal })
  caller.abort()
  const answer = await asked.catch((error: unknown) => error)
  t.true(isDriveError(answer, 'ABORTED'))
})
