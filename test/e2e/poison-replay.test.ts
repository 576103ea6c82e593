import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { program, temporaryFolder, testDrive } from '../support/drive.js'
import { projectRoot } from '../support/sources.js'

const test = testWhere('fuse')

/** The last change kills the daemon. In one process, so that no commit comes before. */
const CHANGES = `
import os
os.rename('before', 'after')
os.mkdir('poison')
with open('poison/child', 'w') as child: child.write('lost')
os.mkdir('between')
os.mkdir('between/poison')
with open('other', 'w') as other: other.write('kept')
os.truncate('end', 4243)
`

test('S-134 answered operations that end the drive thread in each replay are skipped and named, and the rest goes on', async (t: ExecutionContext) => {
  t.timeout(5 * 60_000)
  const trigger = join(temporaryFolder(t, 'poison'), 'now')
  const preload = new URL(`file://${join(projectRoot, 'dist/test/support/poison-replay.js')}`)
  const drive = testDrive(t, {
    mayFail: true,
    // In place: it changes the modules of this folder.
    environment: { NODE_OPTIONS: `--import=${preload.href}`, DAGDRIVE_TEST_POISON: trigger, DAGDRIVE_PROGRAMS: '' },
  })
  await drive.up()
  const shell = (script: string): string => program('sh', ['-c', script], { cwd: drive.mountpoint })
  const deaths = (): number => drive.log(Infinity).split('the drive thread failed error="ended by a replay"').length - 1
  // Each of the two is tried twice. A commit between two changes, on a busy machine, leaves less to replay.
  let seen = 0
  for (let round = 0; round < 5 && seen < 4; round++) {
    const before = deaths()
    rmSync(trigger, { force: true })
    shell('rm -rf poison between after other; echo > before; echo > end; sync before')
    program('python3', ['-c', CHANGES], { cwd: drive.mountpoint })
    t.is(shell('cat other'), 'kept', drive.log())
    seen = deaths() - before
  }
  t.is(seen, 4, drive.log())
  const all = deaths()
  t.is(shell('ls . between'), '.:\nafter\nbetween\nend\nother\n\nbetween:\n')
  const status = await drive.must(['status'])
  t.regex(status, /lost, .*: MKDIR of inode 1\b/)
  t.regex(status, /lost, .*: CREATE of inode \d+/)
  shell('mkdir new; echo more >> other')
  drive.killDaemon()
  t.is(shell('cat other; ls'), 'keptmore\nafter\nbetween\nend\nnew\nother\n', drive.log())
  t.is(deaths(), all, drive.log())
  await drive.unmount(['--now']).catch(() => undefined)
})
