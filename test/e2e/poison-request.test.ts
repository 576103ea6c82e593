import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { program, programAside, testDrive } from '../support/drive.js'
import { projectRoot } from '../support/sources.js'

const test = testWhere('fuse', 'root')

test('S-118 a request that ends the drive thread each time gets EIO after its second death in a replay, and status names it', async (t: ExecutionContext) => {
  t.timeout(10 * 60_000)
  const preload = new URL(`file://${join(projectRoot, 'dist/test/support/poison-request.js')}`)
  const drive = testDrive(t, {
    holder: true,
    mayFail: true,
    // In place: it changes the modules of this folder.
    environment: { NODE_OPTIONS: `--import=${preload.href}`, DAGDRIVE_PROGRAMS: '' },
  })
  await drive.up()
  program('sh', ['-c', 'echo kept > note; echo poison > file'], { cwd: drive.mountpoint })
  const daemon = drive.daemonPid()
  const truncated = await programAside('truncate', ['-s', '4242', 'file'], drive.mountpoint).catch(String)
  t.regex(truncated, /Input\/output error/)
  t.is(
    program('sh', ['-c', 'cat note file; echo new > other; cat other'], { cwd: drive.mountpoint }),
    'kept\npoison\nnew\n',
  )
  t.is(drive.daemonPid(), daemon)
  t.regex(await drive.must(['status']), /SETATTR/)
  await drive.unmount(['--now']).catch(() => undefined)
})
