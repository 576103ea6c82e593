import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ExecutionContext } from 'ava'
import { sleep } from '../../src/base/index.js'
import { testWhere } from '../support/available.js'
import { programAside, temporaryFolder, testDrive } from '../support/drive.js'
import { listingAside } from '../support/workload.js'
import { startFaultProxy } from '../kubo/fault-proxy.js'
import { startKubo } from '../kubo/daemon.js'

testWhere('fuse', 'go')(
  'S-036 removing a directory during its upload, with a Kubo garbage collection, does not stop publishing',
  async (t: ExecutionContext) => {
    t.timeout(10 * 60_000)
    const kubo = await startKubo({ version: '0.43' })
    t.teardown(() => kubo.stop())
    const proxy = await startFaultProxy(kubo.url)
    t.teardown(() => proxy.close())
    const phrase = join(temporaryFolder(t, 'removed'), 'phrase')
    const drive = testDrive(t, { environment: { DAGDRIVE_DEBOUNCE_MS: '3600000' } })
    await drive.up(['--node', proxy.url, '--phrase-out', phrase])
    const top = drive.mountpoint
    await programAside('sh', ['-c', 'mkdir d; for i in $(seq 1 100); do echo $i > d/$i; done; echo kept > kept'], top)
    await drive.must(['sync'])

    await programAside('sh', ['-c', 'for i in $(seq 101 120); do echo $i > d/$i; done'], top)
    const before = proxy.requests.length
    proxy.inject({ kind: { delayMs: 3000 }, path: 'dag/import', times: 1 })
    const sending = drive.must(['sync'])
    while (!proxy.requests.slice(before).some((path) => path.startsWith('dag/import'))) await sleep(20)
    await programAside('rm', ['-rf', 'd'], top)
    await sending
    await promisify(execFile)(kubo.program, ['repo', 'gc', '-q'], { env: kubo.env, timeout: 300_000 })

    await drive.must(['sync'])
    const here = await listingAside(top)
    await drive.unmount()
    const second = testDrive(t)
    await second.up(['--node', kubo.url, '--phrase-file', phrase])
    t.is(await listingAside(second.mountpoint), here)
    t.regex(here, /kept/)
    await second.unmount()
  },
)
