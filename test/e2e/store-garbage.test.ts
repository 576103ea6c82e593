import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { smallDisk } from '../support/small-disk.js'
import { program, temporaryFolder, testDrive } from '../support/drive.js'

const DISK_MIB = 64

testWhere('fuse', 'root')(
  'S-042 a store on a small disk does not fill with garbage of earlier versions: it collects garbage by itself',
  async (t: ExecutionContext) => {
    t.timeout(10 * 60_000)
    const folder = temporaryFolder(t, 'garbage')
    const disk = join(folder, 'disk')
    mkdirSync(disk)
    smallDisk(t, disk, DISK_MIB)
    const drive = testDrive(t, { environment: { DAGDRIVE_DEBOUNCE_MS: '3600000' } })
    await drive.up(['--node', `file://${join(disk, 'node')}`, '--phrase-out', join(folder, 'phrase')])
    const top = drive.mountpoint
    const write = (name: string, mib: number): void => {
      program('sh', ['-c', `head -c ${mib * 1024 * 1024} /dev/urandom > ${name}; sync ${name}`], { cwd: top })
    }
    for (let version = 0; version < 6; version++) {
      write('rewritten', 20)
      await drive.must(['sync'])
    }
    // A garbage collection that found little is not repeated at once; the longer it took, the later.
    const used = (): number => bytesBelow(join(disk, 'node', 'segments'))
    for (let version = 0; version < 60 && used() > 30 * 1024 * 1024; version++) {
      write('small', 1)
      await drive.must(['sync'])
    }
    t.true(used() < 30 * 1024 * 1024, `${used()} bytes for 21 MiB that are live`)
    // Removed and replaced in one version: the new version waits for space, or gets it from the garbage of the old one.
    write('rewritten', 1)
    await drive.must(['sync'])
    write('large', 40)
    await drive.must(['sync'])
    const sum = program('sha256sum', ['large', 'rewritten'], { cwd: top })

    const second = testDrive(t)
    await drive.unmount()
    await drive.stop()
    await second.up(['--node', `file://${join(disk, 'node')}`, '--phrase-file', join(folder, 'phrase')])
    t.is(program('sha256sum', ['large', 'rewritten'], { cwd: second.mountpoint }), sum)
  },
)

/** The daemon may be removing some. */
function bytesBelow(directory: string): number {
  return readdirSync(directory).reduce(
    (sum, name) => sum + (statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  )
}
