import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { sleep } from '../../src/base/index.js'
import { testWhere } from '../support/available.js'
import { program, programAside, temporaryFolder, testDrive, type TestDrive } from '../support/drive.js'
import { projectRoot } from '../support/sources.js'
import { until } from '../support/until.js'

const test = testWhere('fuse')
const WRITING = 'for i in $(seq 600); do echo line $i; sleep 0.01; done > written'

/** The program in a folder of its own, as another version. */
function install(folder: string, version: string): string {
  mkdirSync(join(folder, 'build/Release'), { recursive: true })
  cpSync(join(projectRoot, 'dist/src'), join(folder, 'dist/src'), { recursive: true })
  for (const name of ['dagdrive_fuse.node', 'dagdrive_seal.node', 'dagdrive_holder'])
    cpSync(join(projectRoot, 'build/Release', name), join(folder, 'build/Release', name))
  const about = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as object
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...about, version }))
  symlinkSync(join(projectRoot, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

const timesIn = (drive: TestDrive, line: string): number => drive.log(Infinity).split(line).length - 1
const lines = (drive: TestDrive): string => program('sh', ['-c', 'wc -l < written'], { cwd: drive.mountpoint }).trim()

/** Running daemons of the drive's home, also one that is starting. */
function daemonsOf({ home }: TestDrive): number {
  return readdirSync('/proc').filter((name) => {
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, 'latin1')
      return (
        words.includes('/src/daemon/') && readFileSync(`/proc/${name}/environ`, 'latin1').includes(`_HOME=${home}\0`)
      )
    } catch {
      return false // not a process, or one that has ended
    }
  }).length
}

async function mounted(t: ExecutionContext, installation: string): Promise<TestDrive> {
  const drive = testDrive(t)
  drive.installation = installation
  await drive.up()
  return drive
}

test('S-100 a program that is replaced in its folder under a mounted drive: the next daemon is the new one, and programs see a pause', async (t: ExecutionContext) => {
  const folder = temporaryFolder(t, 'upgrade')
  const installation = install(join(folder, 'program'), '1.0.0')
  const next = install(join(folder, 'next'), '2.0.0')
  const drive = await mounted(t, installation)
  const writing = programAside('sh', ['-c', WRITING], drive.mountpoint)
  await sleep(500)
  renameSync(installation, join(folder, 'old'))
  renameSync(next, installation)
  drive.killDaemon()
  await writing
  t.is(lines(drive), '600')
  t.true(await until(() => timesIn(drive, 'the mount goes on') === 1), drive.log())
  t.is(timesIn(drive, 'version="2.0.0"'), 1, drive.log())
  await drive.run(['unmount', '--now'])
})

test('S-100 a program in another folder takes a mounted drive over, and the holder starts that one from then on', async (t: ExecutionContext) => {
  const folder = temporaryFolder(t, 'upgrade')
  const installation = install(join(folder, 'program'), '1.0.0')
  const drive = await mounted(t, installation)
  drive.installation = install(join(folder, 'elsewhere'), '2.0.0')
  const writing = programAside('sh', ['-c', WRITING], drive.mountpoint)
  await sleep(500)
  rmSync(installation, { recursive: true })
  // Otherwise the holder starts the copy of the old program first.
  process.kill(drive.holderPid()!, 'SIGSTOP')
  drive.killDaemon()
  t.is((await drive.run(['status'])).code, 0)
  t.true(await until(() => timesIn(drive, 'the mount goes on') === 1), drive.log())
  // The holder may have started the old one when it was continued, which ends because it gets no lock.
  t.true(await until(() => daemonsOf(drive) === 1))
  drive.killDaemon()
  await writing
  t.is(lines(drive), '600')
  t.true(await until(() => timesIn(drive, 'the mount goes on') === 2), drive.log())
  t.is(timesIn(drive, 'version="2.0.0"'), 2, drive.log())
  await drive.run(['unmount', '--now'])
})

test('S-163 a daemon needs nothing of the folder it was started from: neither to go on, nor to be started again', async (t: ExecutionContext) => {
  const folder = temporaryFolder(t, 'upgrade')
  const drive = await mounted(t, install(join(folder, 'program'), '1.0.0'))
  drive.installation = projectRoot
  rmSync(join(folder, 'program'), { recursive: true })
  const write = 'head -c 20000000 /dev/zero | tee $0 > $0.more; sync $0 $0.more'
  program('sh', ['-c', write, 'before'], { cwd: drive.mountpoint })
  drive.killDaemon()
  program('sh', ['-c', write, 'after'], { cwd: drive.mountpoint })
  t.is(timesIn(drive, 'the mount goes on'), 1, drive.log())
  t.is(timesIn(drive, 'ERR_MODULE_NOT_FOUND'), 0)
  await drive.unmount()
})

test('S-163 if the copy of the program is removed under a mounted drive, the next daemon is of the folder it is from', async (t: ExecutionContext) => {
  const folder = temporaryFolder(t, 'upgrade')
  const copies = join(folder, 'copies')
  const drive = testDrive(t, { environment: { DAGDRIVE_PROGRAMS: copies } })
  await drive.up()
  program('sh', ['-c', 'echo answered > note'], { cwd: drive.mountpoint })
  // Only in part: the daemon begins to start.
  for (const name of readdirSync(copies)) rmSync(join(copies, name, 'node_modules'), { recursive: true })
  drive.killDaemon()
  t.is(program('cat', ['note'], { cwd: drive.mountpoint }), 'answered\n')
  rmSync(copies, { recursive: true })
  drive.killDaemon()
  t.is(program('cat', ['note'], { cwd: drive.mountpoint }), 'answered\n')
  t.true(await until(() => timesIn(drive, 'the mount goes on') === 2), drive.log())
  await drive.unmount()
})

const OTHER_MEMORY = {
  layout: [/const LAYOUT = \d+/, 'const LAYOUT = 1000'],
  size: [/const KEPT_BUFFERS = \d+/, 'const KEPT_BUFFERS = 32'],
} as const

for (const [what, [pattern, other]] of Object.entries(OTHER_MEMORY)) {
  test(`S-100 a version with another ${what} of the memory mounts anew, and what was synced is there`, async (t) => {
    const folder = temporaryFolder(t, 'upgrade')
    const installation = install(join(folder, 'program'), '1.0.0')
    const next = install(join(folder, 'next'), '2.0.0')
    const layout = join(next, 'dist/src/fuse/holder/shared-state.js')
    const before = readFileSync(layout, 'utf8')
    t.regex(before, pattern)
    writeFileSync(layout, before.replace(pattern, other))
    const drive = await mounted(t, installation)
    program('sh', ['-c', 'echo kept > note; sync note'], { cwd: drive.mountpoint })
    const waiting = programAside(
      'sh',
      ['-c', 'exec 3<>other; while echo more >&3; do sleep 0.05; done; exit 1'],
      drive.mountpoint,
    )
    const failed = t.throwsAsync(waiting)
    renameSync(installation, join(folder, 'old'))
    renameSync(next, installation)
    drive.killDaemon()
    t.true(await until(() => timesIn(drive, 'version="2.0.0"') === 1), drive.log())
    const mounts = async (): Promise<number> => (await drive.json<{ mounts: unknown[] }>(['status'])).mounts.length
    t.true(await until(async () => (await mounts()) === 1, 250), drive.log())
    t.is(program('cat', [join(drive.mountpoint, 'note')]), 'kept\n')
    await failed
    t.is(program('sh', ['-c', `grep -c "${drive.mountpoint}" /proc/self/mountinfo`]).trim(), '1')
    t.not(drive.holderPid(), undefined)
    await drive.run(['unmount', '--now'])
  })
}
