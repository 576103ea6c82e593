/** A second device on which a flag was forgotten: the way back from an empty drive to the real one. */
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { request, type IncomingMessage } from 'node:http'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { startKubo } from '../kubo/daemon.js'
import { startFaultProxy } from '../kubo/fault-proxy.js'
import { testWhere } from '../support/available.js'
import { temporaryFolder, testDrive, type TestDrive } from '../support/drive.js'

const STATUS = { NO_DRIVE: 10, DRIVE_EXISTS: 11, BUSY: 17 }

testWhere('fuse')(
  'S-169 R-42 an empty drive is replaced by that of a phrase on request only, proven empty first, and set aside whole',
  async (t) => {
    const folder = temporaryFolder(t)
    const [phrase, store, other] = [join(folder, 'phrase'), join(folder, 'node'), join(folder, 'other')]
    const first = testDrive(t)
    await first.up(['--node', `file://${store}`, '--phrase-out', phrase])
    writeFileSync(join(first.mountpoint, 'note'), 'the real drive')
    await first.unmount()

    const second = testDrive(t)
    await second.up()
    const key = readFileSync(join(second.home, 'drive.key'))
    const wanted = ['up', second.mountpoint, '--node', `file://${store}`, '--phrase-file', phrase]
    const refused = async (args: readonly string[], status: number, words: RegExp): Promise<void> => {
      const { code, stderr } = await second.run(args)
      t.is(code, status, stderr)
      t.regex(stderr, words)
      t.deepEqual(readFileSync(join(second.home, 'drive.key')), key, 'nothing was changed')
    }
    await refused(wanted, STATUS.DRIVE_EXISTS, new RegExp(`"[^"]*${wanted.join(' ')} --replace-empty"`))
    await refused([...wanted, '--replace-empty'], STATUS.BUSY, /unmount/)
    mkdirSync(join(second.mountpoint, 'folder'))
    await second.unmount()
    await refused([...wanted, '--replace-empty'], STATUS.DRIVE_EXISTS, /not empty/)
    await second.mount()
    rmdirSync(join(second.mountpoint, 'folder'))
    await second.unmount()
    const elsewhere = ['up', second.mountpoint, '--node', `file://${other}`, '--phrase-file', phrase]
    await refused([...elsewhere, '--replace-empty'], STATUS.NO_DRIVE, /Nothing was changed/)

    const opened = await second.must([...wanted, '--replace-empty'])
    t.is(readFileSync(join(second.mountpoint, 'note'), 'utf8'), 'the real drive')
    const aside = /is in (\S+)\. You may delete it/.exec(opened)![1]!
    t.deepEqual(readFileSync(join(aside, 'drive.key')), key)
    t.false(existsSync(join(second.home, 'node')))
    t.notRegex(await second.must([...wanted, '--replace-empty']), /You may delete/, 'repeated, it changes nothing')
    await second.unmount()

    const before = testDrive(t, { home: aside })
    await before.mount()
    const { publishedHeight } = await before.json<{ publishedHeight: number }>(['status'])
    t.true(publishedHeight > 0, 'the empty drive is whole')
    await before.unmount()
  },
)

testWhere('fuse')('S-169 a drive that another device uses is not replaced, although it looks empty here', async (t) => {
  const folder = temporaryFolder(t)
  const [real, shared] = [join(folder, 'real'), join(folder, 'shared')]
  const first = testDrive(t)
  await first.must(['init', '--node', `file://${real}-node`, '--phrase-out', real])
  await first.must(['sync'])
  await first.stop()
  const here = testDrive(t)
  await here.must(['init', '--node', `file://${shared}-node`, '--phrase-out', shared])
  await here.must(['sync'])
  await here.stop()
  const there = testDrive(t)
  await there.up(['--node', `file://${shared}-node`, '--phrase-file', shared])
  writeFileSync(join(there.mountpoint, 'theirs'), 'of another device')
  await there.unmount()
  const nameOf = ({ home }: TestDrive): string =>
    (JSON.parse(readFileSync(join(home, 'config.json'), 'utf8')) as { deviceName: string }).deviceName
  t.deepEqual([nameOf(here), nameOf(there)], [hostname(), `${hostname()} (2)`], 'two devices of one host')
  const { code, stderr } = await here.run(
    ['up', here.mountpoint, '--node', `file://${real}-node`, '--phrase-file', real, '--replace-empty'], //
  )
  t.is(code, STATUS.DRIVE_EXISTS, stderr)
  t.regex(stderr, /another device uses it/)
  await here.mount()
  t.is(readFileSync(join(here.mountpoint, 'theirs'), 'utf8'), 'of another device')
  await here.unmount()
})

testWhere('fuse')('S-169 a drive that is used while the other one is looked for is not replaced', async (t) => {
  const kubo = await startKubo({ version: '0.43' })
  t.teardown(() => kubo.stop())
  const proxy = await startFaultProxy(kubo.url)
  t.teardown(() => proxy.close())
  const phrase = join(temporaryFolder(t), 'phrase')
  const first = testDrive(t)
  await first.must(['init', '--node', kubo.url, '--phrase-out', phrase])
  await first.must(['sync'])
  await first.stop()
  const here = testDrive(t)
  await here.up()
  const note = join(here.mountpoint, 'note')
  const key = readFileSync(join(here.home, 'drive.key'))
  const replacing = ['up', here.mountpoint, '--node', proxy.url, '--phrase-file', phrase, '--replace-empty']
  const refused = async (status: number, words: RegExp, use: () => Promise<unknown>): Promise<void> => {
    let used = false
    const before = async (): Promise<void> => {
      await use()
      used = true
    }
    proxy.inject({ path: 'repo/stat', times: 1, kind: { before } })
    const { code, stderr } = await here.run(replacing)
    t.true(used)
    t.is(code, status, stderr)
    t.regex(stderr, words)
    t.deepEqual(readFileSync(join(here.home, 'drive.key')), key, 'nothing was changed')
  }
  await here.unmount()
  await refused(STATUS.DRIVE_EXISTS, /not empty/, () => makeDirectory(here, 'folder'))
  await here.mount()
  rmdirSync(join(here.mountpoint, 'folder'))
  await here.unmount()
  await refused(STATUS.BUSY, /is mounted\. First: .*unmount/, async () => {
    await here.mount()
    writeFileSync(note, 'precious')
  })
  t.is(readFileSync(note, 'utf8'), 'precious', 'the mount stays')
  await here.unmount()
})

/** Over the socket, so that nothing is mounted. */
async function makeDirectory({ home }: TestDrive, path: string): Promise<void> {
  const socketPath = join(home, 'control.sock')
  const call = request({ socketPath, method: 'POST', path: '/v1/files/makeDirectory', agent: false })
  call.end(JSON.stringify({ path }))
  const [response] = (await once(call, 'response')) as [IncomingMessage]
  response.resume()
  await once(response, 'end')
}
