import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { program, temporaryFolder, TestDrive } from '../support/drive.js'
import { cases } from './cases.js'
import { differences } from './runner.js'

const test = testWhere('fuse')

/** Access to the mount decides who checks permissions: the kernel, or, if only root has access, almost nothing. */
const MOUNTS = [
  { name: 'root’s own', args: [], drive: new TestDrive() },
  { name: 'shared', args: ['--allow-other'], drive: new TestDrive() },
]

for (const { name, args, drive } of MOUNTS) {
  const chosen = cases.filter(({ needsOthers }) => needsOthers !== true || args.length > 0)

  if ('before' in test) {
    test.before(`mount a drive on the embedded node, ${name}`, async () => {
      await drive.up(args)
    })
    test.after.always(`unmount the drive, ${name}`, () => drive.destroy())
  }

  for (const one of chosen) {
    test(`R-01 the mount (${name}) gives the same results as a directory: ${one.name}`, (t: ExecutionContext) => {
      t.deepEqual(differences(one, temporaryFolder(t), drive.mountpoint), [])
    })
  }

  test(`S-001 R-01 the files of the cases are the same after unmount and mount (${name})`, async (t: ExecutionContext) => {
    const plain = temporaryFolder(t)
    const top = join(drive.mountpoint, 'again')
    mkdirSync(top)
    const before = chosen.map((one) => differences(one, plain, top).length)
    await drive.unmount()
    await drive.mount(args)
    const listing = (at: string): string =>
      program(
        'sh',
        [
          '-c',
          'find . -mindepth 1 -printf "%y %m %U %G %n %p %l\\n" | sort; find . -type f -exec sha256sum {} + | sort',
        ],
        { cwd: at },
      )
    t.is(listing(top), listing(plain))
    t.true(before.every((count) => count === 0))
  })
}
