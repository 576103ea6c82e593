/** The disk of a `file:///` node that is not connected: no empty store is created in its place. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { StatusReport } from '../../src/api/index.js'
import { testWhere } from '../support/available.js'
import { programAside, temporaryFolder, testDrive } from '../support/drive.js'

testWhere('fuse')(
  'S-078 a disk that is not connected is waited for, and no store is created in its place',
  async (t) => {
    t.timeout(10 * 60_000)
    const folder = temporaryFolder(t, 'lost-disk')
    const [disk, phrase] = [join(folder, 'disk'), join(folder, 'phrase')]
    const node = `file://${join(disk, 'store')}`
    mkdirSync(disk)
    const drive = testDrive(t, { environment: { DAGDRIVE_DEBOUNCE_MS: '3600000' } })
    const write = (name: string): Promise<string> =>
      programAside('sh', ['-ec', `head -c 3000000 /dev/urandom > ${name}; sync ${name}`], drive.mountpoint)
    await drive.up(['--node', node, '--phrase-out', phrase])
    await write('first')
    await drive.unmount()
    // An unmounted disk leaves an empty folder.
    renameSync(disk, `${disk}.kept`)
    mkdirSync(disk)
    await drive.mount()
    await write('second')
    const { code, stderr } = await drive.run(['sync'])
    t.is(code, 20, stderr)
    t.regex(stderr, /block store .* is missing.*disk connected/)
    t.false(existsSync(join(disk, 'store')))
    t.is((await drive.json<StatusReport>(['status'])).node?.state, 'unreachable')
    rmSync(disk, { recursive: true })
    renameSync(`${disk}.kept`, disk)
    await drive.must(['sync'])
    await drive.unmount()
    const other = testDrive(t)
    await other.up(['--node', node, '--phrase-file', phrase])
    t.is(await programAside('ls', [], other.mountpoint), 'first\nsecond\n')
  },
)

testWhere('fuse')('S-078 node set creates a new store in place of the disk', async (t) => {
  t.timeout(10 * 60_000)
  const folder = temporaryFolder(t, 'lost-disk')
  const [store, phrase] = [join(folder, 'store'), join(folder, 'phrase')]
  const drive = testDrive(t)
  await drive.up(['--node', `file://${store}`, '--phrase-out', phrase])
  await programAside('sh', ['-ec', 'echo bytes > file'], drive.mountpoint)
  await drive.unmount()
  rmSync(store, { recursive: true })
  await drive.mount()
  t.is((await drive.run(['sync'])).code, 20)
  await drive.must(['node', 'set', `file://${store}`])
  await drive.must(['sync'])
  await drive.unmount()
  const other = testDrive(t)
  await other.up(['--node', `file://${store}`, '--phrase-file', phrase])
  t.is(await programAside('cat', ['file'], other.mountpoint), 'bytes\n')
})
