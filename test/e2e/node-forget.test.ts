/** `node forget`: the embedded store goes when the node of the drive has everything, and not before. */
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ForgetReport } from '../../src/api/index.js'
import { testWhere } from '../support/available.js'
import { programAside, temporaryFolder, testDrive } from '../support/drive.js'
import { damageKubo } from '../support/rot.js'
import { startKubo } from '../kubo/daemon.js'

testWhere('fuse', 'go')(
  'S-184 S-186 node forget removes the store that node set left, once the node has confirmed all of it',
  async (t) => {
    t.timeout(10 * 60_000)
    const kubo = await startKubo({ version: '0.43' })
    t.teardown(() => kubo.stop())
    const rpc = async (call: string): Promise<string> =>
      (await fetch(`${kubo.url}/api/v0/${call}`, { method: 'POST' })).text()
    const copy = join(temporaryFolder(t, 'forget'), 'copy')
    const drive = testDrive(t, { environment: { DAGDRIVE_DEBOUNCE_MS: '3600000' } })
    const store = join(drive.home, 'node')
    await drive.up()
    await programAside(
      'sh',
      ['-ec', 'mkdir d; head -c 30000000 /dev/urandom > d/big; echo small > small'],
      drive.mountpoint,
    )
    await programAside('cp', ['-a', drive.mountpoint, copy])
    await drive.must(['sync'])
    // S-186: the file takes its space once. A name of the cache and one of the store lead to it.
    const nodeSegments = readdirSync(join(store, 'segments')).map((name) => statSync(join(store, 'segments', name)))
    const sharedBytes = nodeSegments.reduce((sum, { nlink, size }) => sum + (nlink === 2 ? size : 0), 0)
    t.true(sharedBytes > 20_000_000, `${sharedBytes} bytes are shared`)
    t.is((await drive.run(['node', 'forget'])).stderr.match(/is the node of this drive/)?.length, 1)
    await drive.must(['node', 'set', kubo.url])

    // The node loses the pin of the version.
    const { Keys } = JSON.parse(await rpc('pin/ls?type=recursive')) as { Keys: Record<string, unknown> }
    for (const cid of Object.keys(Keys)) await rpc(`pin/rm?arg=${cid}`)
    const { code, stderr } = await drive.run(['node', 'forget'])
    t.not(code, 0)
    t.regex(stderr, /2 heads, [1-9]\d* versions and 0 blocks/)
    t.notRegex(stderr, /big|small/, 'no names')
    t.true(existsSync(join(store, 'segments', '00000001.seg')))
    await kubo.kill()
    t.not((await drive.run(['node', 'forget'])).code, 0, 'the node is away')
    t.true(existsSync(join(store, 'segments', '00000001.seg')))
    await kubo.restart()

    await drive.must(['sync'])
    t.is(
      damageKubo(kubo.repo, ([largest]) => [largest!]),
      1,
    )
    t.regex((await drive.run(['node', 'forget'])).stderr, /0 heads, 0 versions and 1 blocks .* damaged/)
    t.true(existsSync(join(store, 'segments', '00000001.seg')))
    await drive.must(['fsck', '--node', '--repair'])
    const report = await drive.json<ForgetReport>(['node', 'forget'])
    t.true(report.removed && report.left === 0)
    t.true(report.freedBytes < 10_000_000, 'S-186 the cache still has what it shared')
    t.false(existsSync(store))
    await drive.unmount()
    await drive.mount()
    t.is(await programAside('diff', ['-r', copy, drive.mountpoint]), '')
    t.deepEqual(await drive.json<ForgetReport>(['node', 'forget']), { removed: false, freedBytes: 0, left: 0 })

    // What a kill in the middle of a removal leaves.
    mkdirSync(join(`${store}.forgotten`, 'segments'), { recursive: true })
    writeFileSync(join(`${store}.forgotten`, 'segments', '00000001.seg'), 'x')
    t.regex(await drive.must(['node', 'forget']), /was removed/)
    t.false(existsSync(`${store}.forgotten`))
  },
)
