import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { program, programAside, temporaryFolder, testDrive } from '../support/drive.js'
import { startKubo } from '../kubo/daemon.js'
import { startFaultProxy } from '../kubo/fault-proxy.js'
import { testWithKubo } from '../kubo/require-kubo.js'

const ABSENT = {
  status: 500,
  body: '{"Message":"block was not found locally (offline): ipld: could not find {arg}","Code":0,"Type":"error"}',
}

testWithKubo(
  'S-147 where the node lacks blocks, no directory looks empty, and a mirror of the drive keeps its files',
  async (t) => {
    t.timeout(10 * 60_000)
    const kubo = await startKubo({ version: '0.43' })
    t.teardown(() => kubo.stop())
    const proxy = await startFaultProxy(kubo.url)
    t.teardown(() => proxy.close())
    const folder = temporaryFolder(t, 'missing')
    const phrase = join(folder, 'phrase')
    const first = testDrive(t)
    await first.up(['--node', kubo.url, '--phrase-out', phrase])
    program('sh', ['-c', 'mkdir docs; echo text > docs/precious'], { cwd: first.mountpoint })
    await first.must(['sync'])
    await first.unmount()

    const second = testDrive(t)
    await second.up(['--node', proxy.url, '--phrase-file', phrase])
    const backup = join(folder, 'backup')
    mkdirSync(join(backup, 'docs'), { recursive: true })
    writeFileSync(join(backup, 'docs', 'precious'), 'text\n')
    proxy.inject({ kind: ABSENT, path: 'block/get' })
    const mount = second.mountpoint
    await t.throwsAsync(programAside('ls', ['-la', join(mount, 'docs')]), { message: /Input\/output error/ })
    await t.throwsAsync(programAside('cat', [join(mount, 'docs', 'precious')]), { message: /Input\/output error/ })
    await t.throwsAsync(programAside('rsync', ['-a', '--delete', `${mount}/`, backup]))
    t.is(program('cat', [join(backup, 'docs', 'precious')]), 'text\n')
    t.regex(await second.must(['status']), /node did not have a block of this drive/)
    const third = testDrive(t)
    const refused = await third.run(['up', third.mountpoint, '--node', proxy.url, '--phrase-file', phrase])
    t.not(refused.code, 0)
    proxy.heal()
    t.is(await programAside('cat', [join(mount, 'docs', 'precious')]), 'text\n')
    await second.unmount()
  },
)
