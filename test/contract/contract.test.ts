import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { temporaryFolder, TestDrive } from '../support/drive.js'
import { cases } from './cases.js'
import { differences } from './runner.js'

const test = testWhere('fuse')
const drive = new TestDrive()

if ('before' in test) {
  test.before('a drive on the embedded node is mounted', async () => {
    await drive.up(['--allow-other'])
  })
  test.after.always('the drive is unmounted', () => drive.destroy())
}

for (const one of cases) {
  test(`R-01 the mount answers as a directory does: ${one.name}`, (t: ExecutionContext) => {
    t.deepEqual(differences(one, temporaryFolder(t), drive.mountpoint), [])
  })
}

test('S-001 R-01 what the cases left reads the same after unmount and mount', async (t: ExecutionContext) => {
  const plain = temporaryFolder(t)
  const top = join(drive.mountpoint, 'again')
  mkdirSync(top)
  const before = cases.map((one) => differences(one, plain, top).length)
  const { program } = await import('../support/drive.js')
  await drive.unmount()
  await drive.mount(['--allow-other'])
  const listing = (at: string): string =>
    program(
      'sh',
      ['-c', 'find . -mindepth 1 -printf "%y %m %U %G %n %p %l\\n" | sort; find . -type f -exec sha256sum {} + | sort'],
      { cwd: at },
    )
  t.is(listing(top), listing(plain))
  t.true(before.every((count) => count === 0))
})
