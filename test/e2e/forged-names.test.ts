import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../src/base/index.js'
import { deriveDriveKeys, rootKeyOfPhrase } from '../../src/crypto/index.js'
import { startKubo } from '../kubo/daemon.js'
import { testWhere } from '../support/available.js'
import { temporaryFolder, testDrive } from '../support/drive.js'
import { FORGERIES, Forger } from '../support/sync/forgery.js'

testWhere('fuse', 'go')(
  'S-033 S-110 S-003 one record that a lost device signs stops neither publishing nor opening by the phrase',
  async (t) => {
    t.timeout(10 * 60_000)
    const kubo = await startKubo({ version: '0.43' })
    t.teardown(() => kubo.stop())
    const phrase = join(temporaryFolder(t, 'e2e'), 'phrase')
    const first = testDrive(t)
    await first.up(['--node', kubo.url, '--phrase-out', phrase])
    writeFileSync(join(first.mountpoint, 'kept'), 'kept')
    await first.must(['sync'])
    const keys = deriveDriveKeys(rootKeyOfPhrase(readFileSync(phrase, 'utf8').trim()))
    const forger = new Forger(kubo.url, keys)
    const forgeries = ['a version nobody can read, with a huge height', 'another kind of block']
    for (const [at, what] of forgeries.entries()) {
      const name = at === 0 ? 1 : 'drive'
      await FORGERIES[what]!(forger, name, '', systemClock.nowMs())
      writeFileSync(join(first.mountpoint, `after ${at}`), what)
      await first.must(['sync'])
      const said = await first.must(['status'])
      t.regex(said, name === 'drive' ? /name of the drive .* ignored/ : /head of device 1 .* ignored/)
    }
    const second = testDrive(t)
    await second.up(['--node', kubo.url, '--phrase-file', phrase])
    t.is(readFileSync(join(second.mountpoint, 'kept'), 'utf8'), 'kept')
    t.is(readFileSync(join(second.mountpoint, 'after 1'), 'utf8'), 'another kind of block')
    writeFileSync(join(second.mountpoint, 'from the second'), 'new')
    await second.must(['sync'])
  },
)
