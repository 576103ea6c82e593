import { readFileSync, statSync } from 'node:fs'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { program, testDrive, type TestDrive } from '../support/drive.js'

const test = testWhere('fuse')

/** What the last moments of the daemon's life leave in its memory and in the log of the holder only. */
const CHANGES = `
import os, signal, sys
os.mkdir('made')
with open('made/note', 'w') as note: note.write('kept')
os.rename('before', 'after')
os.kill(int(sys.argv[1]), signal.SIGKILL)
`

/** The holder is stopped, so that the next command, and not the holder, starts the next daemon. */
function killWithChanges(drive: TestDrive): void {
  const daemon = drive.daemonPid()!
  process.kill(drive.holderPid()!, 'SIGSTOP')
  program('python3', ['-c', CHANGES, String(daemon)], { cwd: drive.mountpoint })
}

const isMounted = (drive: TestDrive): boolean =>
  readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${drive.mountpoint} `)

for (const words of [
  ['unmount', '--now'],
  ['unmount', '--force', '--now'],
  ['daemon', 'stop'],
]) {
  test(`S-133 S-050 ${words.join(' ')} as the first command after a kill loses nothing that was answered`, async (t: ExecutionContext) => {
    const drive = testDrive(t)
    await drive.up()
    program('sh', ['-c', 'echo > before; sync before'], { cwd: drive.mountpoint })
    killWithChanges(drive)
    const { code, stderr } = await drive.run(words)
    t.true(code === 0 || code === 3, stderr)
    t.false(isMounted(drive), drive.log())
    t.is(statSync(drive.mountpoint).mode & 0o777, 0o755, 'the mode of the directory is restored')
    await drive.mount()
    t.is(program('sh', ['-c', 'cat made/note; ls'], { cwd: drive.mountpoint }), 'keptafter\nmade\n', drive.log())
    t.notRegex(await drive.must(['status']), /lost/)
    await drive.run(['unmount', '--now'])
  })
}
