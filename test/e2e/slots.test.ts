import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { program, programAside, temporaryFolder, testDrive, type TestDrive } from '../support/drive.js'
import { startKubo } from '../kubo/daemon.js'
import { startFaultProxy } from '../kubo/fault-proxy.js'

const slotOf = (drive: TestDrive): number =>
  (JSON.parse(readFileSync(join(drive.home, 'config.json'), 'utf8')) as { deviceSlot: number }).deviceSlot

testWhere('fuse', 'go')(
  'S-126 a device whose head the node rejects opens nothing; the next device has its slot, and both work in turn',
  async (t: ExecutionContext) => {
    t.timeout(10 * 60_000)
    const kubo = await startKubo({ version: '0.43' })
    t.teardown(() => kubo.stop())
    const proxy = await startFaultProxy(kubo.url)
    t.teardown(() => proxy.close())
    const phrase = join(temporaryFolder(t, 'slots'), 'phrase')
    const [first, cut, next] = [testDrive(t), testDrive(t), testDrive(t)]
    await first.up(['--node', kubo.url, '--phrase-out', phrase])
    program('sh', ['-c', 'echo one > note'], { cwd: first.mountpoint })
    await first.unmount([], 120_000)

    proxy.inject({ path: 'name/put', kind: { status: 500, body: '{"Message":"no","Code":0,"Type":"error"}' } })
    t.is((await cut.run(['up', cut.mountpoint, '--node', proxy.url, '--phrase-file', phrase])).code, 23)
    t.false(existsSync(join(cut.home, 'drive.key')), 'nothing was kept')
    await next.up(['--node', kubo.url, '--phrase-file', phrase])
    t.is(slotOf(next), 1)
    program('sh', ['-c', 'echo two > note'], { cwd: next.mountpoint })
    await next.unmount([], 120_000)

    proxy.heal()
    await cut.up(['--node', proxy.url, '--phrase-file', phrase])
    t.is(slotOf(cut), 2)
    // This process serves the proxy.
    t.is(await programAside('cat', ['note'], cut.mountpoint), 'two\n')
    await programAside('sh', ['-c', 'echo three > note'], cut.mountpoint)
    await cut.unmount([], 120_000)
    await next.mount()
    t.is(readFileSync(join(next.mountpoint, 'note'), 'utf8'), 'three\n')
  },
)
