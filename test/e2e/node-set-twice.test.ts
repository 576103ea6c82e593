/** Two concurrent `node set`: the second runs after the first, and `sync` after both. */
import { join } from 'node:path'
import type { StatusReport } from '../../src/api/index.js'
import { sleep } from '../../src/base/index.js'
import { startKubo } from '../kubo/daemon.js'
import { startFaultProxy } from '../kubo/fault-proxy.js'
import { testWhere } from '../support/available.js'
import { programAside, temporaryFolder, testDrive } from '../support/drive.js'

testWhere('fuse', 'go')('S-079 of two concurrent node sets the second waits, and sync waits for both', async (t) => {
  t.timeout(10 * 60_000)
  const folder = temporaryFolder(t, 'twice')
  const [phrase, last] = [join(folder, 'phrase'), `file://${join(folder, 'last')}`]
  const kubo = await startKubo({ version: '0.43' })
  t.teardown(() => kubo.stop())
  const proxy = await startFaultProxy(kubo.url)
  t.teardown(() => proxy.close())
  const drive = testDrive(t, { environment: { DAGDRIVE_DEBOUNCE_MS: '3600000' } })
  await drive.up(['--phrase-out', phrase])
  await programAside('sh', ['-ec', 'echo one > one; echo two > two; sync one two'], drive.mountpoint)
  proxy.inject({ path: 'name/put', kind: { delayMs: 4000 }, times: 2 })
  const first = drive.run(['node', 'set', proxy.url])
  while (proxy.hits === 0) await sleep(50)
  const second = drive.run(['node', 'set', last])
  const syncing = drive.run(['sync'])
  t.deepEqual((await drive.json<StatusReport>(['status'])).warnings, [], 'nothing was interrupted')
  for (const run of [first, second, syncing]) {
    const { code, stderr } = await run
    t.is(code, 0, stderr)
  }
  const status = await drive.json<StatusReport>(['status'])
  t.is(status.node?.where, join(folder, 'last'))
  t.is(status.queue?.changed, 0)
  t.deepEqual(status.warnings, [])
  t.true(
    proxy.requests.some((path) => path.startsWith('name/put')),
    'the first one succeeded',
  )
  await drive.unmount()
  const other = testDrive(t)
  await other.up(['--node', last, '--phrase-file', phrase])
  t.is(await programAside('cat', ['one', 'two'], other.mountpoint), 'one\ntwo\n')
})
