import { mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { program, temporaryFolder, testDrive } from '../support/drive.js'
import { smallDisk } from '../support/small-disk.js'
import { until } from '../support/until.js'

testWhere('fuse', 'root')(
  'S-139 S-036 a daemon that ends while only its block index has no room leaves whole commits, which are published',
  async (t: ExecutionContext) => {
    const folder = temporaryFolder(t, 'index')
    const drive = testDrive(t, { home: join(folder, 'home'), environment: { DAGDRIVE_DEBOUNCE_MS: '3600000' } })
    await drive.up(['--node', `file://${join(folder, 'node')}`, '--phrase-out', join(folder, 'phrase')])
    const top = drive.mountpoint
    await drive.unmount()
    t.true(await until(() => drive.daemonPid() === undefined), drive.log())
    const index = join(drive.home, 'data', 'index')
    renameSync(index, `${index}.aside`)
    mkdirSync(index)
    smallDisk(t, index, 2)
    program('sh', ['-c', 'cp -a "$0.aside/." "$0"', index])

    await drive.mount()
    program('sh', ['-c', 'for i in 1 2 3 4 5; do head -c 200000 /dev/urandom > a$i; sync a$i; done; sync -f .'], {
      cwd: top,
    })
    const sums = program('sha256sum', ['a3', 'a4', 'a5'], { cwd: top })
    program('sh', ['-c', 'cat /dev/zero > filler 2> /dev/null || true'], { cwd: index })
    program(
      'sh',
      ['-c', 'for i in $(seq 300); do head -c 5000 /dev/urandom > b$i; done; for i in 1 2; do seq 9 > a$i; done'],
      {
        cwd: top,
      },
    )
    const pid = drive.daemonPid()!
    process.kill(pid, 'SIGTERM')
    const isGone = (): boolean => drive.daemonPid() === undefined
    // A minute for staging, a minute for an opening that waits for space, and the closing.
    const hasEnded = (await until(isGone)) || (await until(isGone))
    t.true(hasEnded, `daemon ${pid}, now ${drive.daemonPid()}\n${drive.log()}`)
    rmSync(join(index, 'filler'))

    await drive.mount()
    t.is(program('sha256sum', ['a3', 'a4', 'a5'], { cwd: top }), sums)
    program('sh', ['-c', 'cat * > /dev/null'], { cwd: top })
    await drive.must(['fsck'])
    await drive.must(['sync'])
  },
)
