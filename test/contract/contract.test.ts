import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { program, TestDrive } from '../support/drive.js'
import { cases } from './cases.js'
import { differences } from './runner.js'

const test = testWhere('fuse')

/** Access to the mount decides who checks permissions: the kernel, or, if only root has access, almost nothing. */
const MOUNTS = [
  { name: 'root’s own', args: [], drive: new TestDrive() },
  { name: 'shared', args: ['--allow-other'], drive: new TestDrive() },
]

const LISTING =
  'find . -mindepth 1 -printf "%y %m %U %G %n %p %l\\n" | sort; find . -type f -exec sha256sum {} + | sort'
const listing = (at: string): string => program('sh', ['-c', LISTING], { cwd: at })

for (const { name, args, drive } of MOUNTS) {
  const chosen = cases.filter(({ needsOthers }) => needsOthers !== true || args.length > 0)
  const plain = mkdtempSync(join(tmpdir(), 'dagdrive-plain-'))

  if ('before' in test) {
    test.before(`mount a drive on the embedded node, ${name}`, async () => {
      await drive.up(args)
    })
    test.after.always(`unmount the drive, ${name}`, () => {
      drive.destroy()
      rmSync(plain, { recursive: true, force: true })
    })
  }

  for (const one of chosen) {
    test(`R-01 the mount (${name}) gives the same results as a directory: ${one.name}`, (t: ExecutionContext) => {
      t.deepEqual(differences(one, plain, drive.mountpoint), [])
    })
  }

  test(`S-001 R-01 the files of the cases are the same after unmount and mount (${name})`, async (t: ExecutionContext) => {
    await drive.unmount()
    await drive.mount(args)
    const expected = listing(plain)
    t.true(expected.length > 0)
    t.is(listing(drive.mountpoint), expected)
  })
}
