/** Kills of the daemon while the disk of its home has no byte free. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { open } from 'lmdb'
import { testWhere } from '../support/available.js'
import { program, programAside, type TestDrive } from '../support/drive.js'
import { driveOnSmallDisk, FILL_DISK, isMounted } from '../support/small-disk.js'
import { until } from '../support/until.js'

/** Writes files without `fsync`, and stops the daemon before it can stage them. */
const WRITE_AND_STOP = `
import os, signal, sys
top, pid = sys.argv[1], int(sys.argv[2])
for i in range(30):
    with open(f'{top}/{i}', 'wb') as file: file.write(os.urandom(50000))
os.rename(f'{top}/old', f'{top}/new')
os.kill(pid, signal.SIGSTOP)
`

interface Killed {
  readonly drive: TestDrive
  /** Frees the disk. */
  readonly free: () => void
}

/** After it, each commit needs new pages of the disk. */
async function removeFreePages(directory: string): Promise<void> {
  const root = open({ path: directory, noSubdir: false, maxDbs: 32, readOnly: true })
  mkdirSync(`${directory}.compact`)
  await root.backup(`${directory}.compact`, true)
  await root.close()
  renameSync(join(`${directory}.compact`, 'data.mdb'), join(directory, 'data.mdb'))
  rmSync(`${directory}.compact`, { recursive: true })
}

/** A drive whose daemon is killed with changes that only the log has. The disk is full when the next one starts. */
async function killedOnFullDisk(t: ExecutionContext): Promise<Killed> {
  const { drive, filler } = await driveOnSmallDisk(t)
  const pid = drive.daemonPid()!
  program('python3', ['-c', WRITE_AND_STOP, drive.mountpoint, String(pid)])
  const holder = drive.holderPid()!
  process.kill(holder, 'SIGSTOP')
  process.kill(pid, 'SIGKILL')
  // Until it has ended, it keeps space of files that are replaced below.
  t.true(await until(() => !existsSync(`/proc/${pid}/fd/0`)))
  const data = join(drive.home, 'data')
  for (const name of ['meta', 'index', 'queue']) await removeFreePages(join(data, name))
  program('python3', ['-c', FILL_DISK, filler])
  process.kill(holder, 'SIGCONT')
  return { drive, free: () => rmSync(filler) }
}

testWhere('fuse', 'root')(
  'S-148 a daemon killed on a full disk leaves its mount waiting for space: commands answer, and nothing is lost',
  async (t) => {
    const { drive, free } = await killedOnFullDisk(t)
    // It enters the waiting mount itself: a spawn with that directory would wait for it in this process.
    const list = 'cd "$0"; for i in $(seq 0 29); do wc -c < $i; done; cat new'
    const sizes = programAside('sh', ['-ec', list, drive.mountpoint])
    const { code, stdout } = await drive.run(['status'])
    t.is(code, 0, drive.log())
    t.regex(stdout, /Drive: opening.*waits for space: the disk of .* is full/s, drive.log())
    t.regex(stdout, new RegExp(`Mounted: ${drive.mountpoint}`))
    for (const command of [['sync'], ['mount', drive.mountpoint], ['unmount', '--now']]) {
      const refused = await drive.run(command)
      t.is(refused.code, 32, command.join(' '))
      t.regex(refused.stderr, /waits for space.*unmount --force/, command.join(' '))
    }
    free()
    t.is(await sizes, `${'50000\n'.repeat(30)}old\n`, drive.log())
    const { state, warnings } = await drive.json<{ state: string; warnings: string[] }>(['status'])
    t.deepEqual([state, warnings], ['open', []])
  },
)

testWhere('fuse', 'root')(
  'S-148 S-096 S-175 a mount that waits for space ends on the word of the user, status names the loss, and the drive can be read',
  async (t) => {
    const { drive, free } = await killedOnFullDisk(t)
    const { code, stderr } = await drive.run(['unmount', '--force'])
    t.is(code, 32, stderr)
    t.false(isMounted(drive))
    t.regex(await drive.run(['status']).then(({ stdout }) => stdout), /up to \d+ operations .* are lost/, drive.log())
    await drive.mount(['--read-only'])
    t.is(program('cat', ['old'], { cwd: drive.mountpoint }), 'old\n')
    t.regex(await drive.must(['status']), /disk of .* is full: the drive can be read/)
    await drive.run(['unmount', '--force', '--now'])
    t.false(isMounted(drive))
    free()
    await drive.mount()
    t.is(program('cat', ['old'], { cwd: drive.mountpoint }), 'old\n')
    t.regex(await drive.must(['status']), /up to \d+ operations .* are lost/)
  },
)
