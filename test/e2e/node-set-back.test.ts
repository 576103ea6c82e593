/** `node set` back to an earlier node of the drive, which has older heads. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { StatusReport } from '../../src/api/index.js'
import { testWhere } from '../support/available.js'
import { programAside, temporaryFolder, testDrive, type TestDrive } from '../support/drive.js'
import { startFaultProxy } from '../kubo/fault-proxy.js'
import { startKubo } from '../kubo/daemon.js'

const environment = { DAGDRIVE_DEBOUNCE_MS: '3600000' }

const write = (drive: TestDrive, name: string): Promise<string> =>
  programAside('sh', ['-ec', `head -c 300000 /dev/urandom > ${name}; sync ${name}`], drive.mountpoint)

const slotOf = ({ home }: TestDrive): number =>
  (JSON.parse(readFileSync(join(home, 'config.json'), 'utf8')) as { deviceSlot: number }).deviceSlot

testWhere('fuse')('S-076 two devices continue after their drive moved to another disk and back', async (t) => {
  t.timeout(10 * 60_000)
  const folder = temporaryFolder(t, 'back')
  const [phrase, copy] = [join(folder, 'phrase'), join(folder, 'copy')]
  const [one, two] = [`file://${join(folder, 'one')}`, `file://${join(folder, 'two')}`]
  const [a, b, c] = [testDrive(t, { environment }), testDrive(t, { environment }), testDrive(t)]
  // A store is used by one daemon at a time, which exits with its mount.
  const during = async (drive: TestDrive, ...steps: (() => Promise<unknown>)[]): Promise<void> => {
    await drive.mount()
    for (const step of steps) await step()
    await drive.unmount()
  }
  const writing = (name: string) => async (): Promise<void> => {
    await write(a, name)
    await a.must(['sync'])
  }
  await a.up(['--node', one, '--phrase-out', phrase])
  await writing('first')()
  await a.unmount()
  await b.up(['--node', one, '--phrase-file', phrase, '--device-name', 'other'])
  await b.unmount()
  await during(a, writing('second'), () => a.must(['node', 'set', two]))
  await during(b, () => b.must(['node', 'set', two]))
  await during(a, writing('third'))
  await during(b)
  await during(
    a,
    writing('fourth'),
    () => a.must(['node', 'set', one]),
    writing('fifth'),
    async () => {
      const status = await a.json<StatusReport>(['status'])
      t.is(status.lastError, undefined)
      await programAside('cp', ['-a', a.mountpoint, copy])
    },
  )
  await c.up(['--node', one, '--phrase-file', phrase])
  t.is(await programAside('diff', ['-r', copy, c.mountpoint]), '')
  t.is(slotOf(c), 2, 'the slot of the second device is taken')
  await c.unmount()
  await during(b, () => b.must(['node', 'set', one]))
  await b.mount()
  t.is(await programAside('diff', ['-r', copy, b.mountpoint]), '')
  await write(b, 'sixth')
  await b.must(['sync'])
  await b.unmount()
})

testWhere('fuse', 'go')('S-076 node set to a node with an older version, in the middle of an upload', async (t) => {
  t.timeout(10 * 60_000)
  const [kubo, other] = [await startKubo({ version: '0.43' }), await startKubo({ version: '0.43' })]
  t.teardown(() => Promise.all([kubo.stop(), other.stop()]))
  const proxy = await startFaultProxy(other.url)
  t.teardown(() => proxy.close())
  const phrase = join(temporaryFolder(t, 'back'), 'phrase')
  const drive = testDrive(t, { environment })
  await drive.up(['--node', kubo.url, '--phrase-out', phrase])
  await write(drive, 'first')
  await drive.must(['sync'])
  await drive.must(['node', 'set', proxy.url])
  await write(drive, 'second')
  await drive.must(['sync'])
  await write(drive, 'third')
  proxy.inject({ path: 'name/put', kind: { status: 500, body: 'injected' } })
  t.not((await drive.run(['sync'])).code, 0)
  await drive.must(['node', 'set', kubo.url])
  await write(drive, 'fourth')
  await drive.must(['sync'])
  const second = testDrive(t)
  await second.up(['--node', kubo.url, '--phrase-file', phrase])
  t.is(await programAside('diff', ['-r', drive.mountpoint, second.mountpoint]), '')
})

testWhere('fuse', 'go')('S-079 node set does not leave out the version of another device', async (t) => {
  t.timeout(10 * 60_000)
  const kubo = await startKubo({ version: '0.43' })
  t.teardown(() => kubo.stop())
  const folder = temporaryFolder(t, 'behind')
  const phrase = join(folder, 'phrase')
  const [a, b] = [testDrive(t, { environment }), testDrive(t, { environment })]
  await a.up(['--node', kubo.url, '--phrase-out', phrase])
  await write(a, 'first')
  await a.must(['sync'])
  await b.up(['--node', kubo.url, '--phrase-file', phrase, '--device-name', 'other'])
  await write(b, 'second')
  await b.must(['sync'])
  await a.must(['sync'])
  const { code, stderr } = await a.run(['node', 'set', `file://${join(folder, 'store')}`])
  t.is(code, 25, stderr)
  t.regex(stderr, /Device "other" has published version \d+/)
  const { node, warnings } = await a.json<StatusReport>(['status'])
  t.is(node?.where, kubo.url)
  t.deepEqual(warnings, [])
})
