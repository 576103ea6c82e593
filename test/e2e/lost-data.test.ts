/** A home whose local data are gone, and a node that knows no drive: no empty drive replaces the published one. */
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { programAside, temporaryFolder, testDrive, type TestDrive } from '../support/drive.js'

interface Lost {
  readonly drive: TestDrive
  readonly store: string
  readonly phrase: string
}

/** A drive that was made and published here. Then its data are removed, and the disk of its node is replaced. */
async function lost(t: ExecutionContext): Promise<Lost> {
  t.timeout(10 * 60_000)
  const folder = temporaryFolder(t, 'lost-data')
  const [store, phrase] = [join(folder, 'store'), join(folder, 'phrase')]
  const drive = testDrive(t)
  await drive.up(['--node', `file://${store}`, '--phrase-out', phrase])
  await programAside('sh', ['-ec', 'echo bytes > file'], drive.mountpoint)
  await drive.must(['sync'])
  await drive.unmount()
  rmSync(join(drive.home, 'data'), { recursive: true })
  await programAside('mv', [store, `${store}.kept`])
  return { drive, store, phrase }
}

testWhere('fuse')('S-078 a drive whose local data are lost is not replaced by an empty one', async (t) => {
  const { drive, store } = await lost(t)
  const { code, stderr } = await drive.run(['mount', drive.mountpoint])
  t.is(code, 10, stderr)
  t.regex(stderr, /local data .* are gone.*node set.*--new/s)
  t.false(existsSync(store) && readdirSync(store).includes('names') && readdirSync(join(store, 'names')).length > 0)
  // The disk is connected again.
  rmSync(store, { recursive: true, force: true })
  await programAside('mv', [`${store}.kept`, store])
  await drive.mount()
  t.is(await programAside('cat', ['file'], drive.mountpoint), 'bytes\n')
})

testWhere('fuse')(
  'S-145 without its config.json a drive is neither opened nor moved, with or without its data',
  async (t) => {
    const { drive, store } = await lost(t)
    const config = join(drive.home, 'config.json')
    const refused = async (): Promise<void> => {
      renameSync(config, `${config}.kept`)
      for (const command of [
        ['mount', drive.mountpoint],
        ['node', 'set', `file://${store}.kept`],
      ]) {
        const { code, stderr } = await drive.run(command)
        t.is(code, 30, stderr)
        t.regex(stderr, /config\.json is missing.*DAGDRIVE_HOME/s)
      }
      t.false(existsSync(config))
      renameSync(`${config}.kept`, config)
    }
    await refused()
    await drive.must(['node', 'set', `file://${store}.kept`])
    await drive.mount()
    await drive.stop()
    await refused()
    await drive.mount()
    t.is(await programAside('cat', ['file'], drive.mountpoint), 'bytes\n')
  },
)

testWhere('fuse')(
  'S-078 node set to the node that has the drive works; to another node it changes nothing',
  async (t) => {
    const { drive, store } = await lost(t)
    t.is((await drive.run(['mount', drive.mountpoint])).code, 10)
    const wrong = await drive.run(['node', 'set', `file://${store}.other`])
    t.is(wrong.code, 10, wrong.stderr)
    await drive.must(['node', 'set', `file://${store}.kept`])
    await drive.mount()
    t.is(await programAside('cat', ['file'], drive.mountpoint), 'bytes\n')
  },
)

testWhere('fuse')('S-078 --new makes a new, empty drive with the same phrase', async (t) => {
  const { drive, phrase } = await lost(t)
  t.is((await drive.run(['mount', drive.mountpoint])).code, 10)
  await drive.up(['--phrase-file', phrase, '--new'])
  t.is(await programAside('ls', [], drive.mountpoint), '')
  await programAside('sh', ['-ec', 'echo again > file'], drive.mountpoint)
  await drive.must(['sync'])
  t.is((await drive.run(['init', '--phrase-file', phrase, '--new'])).code, 11, 'there is a drive')
})
