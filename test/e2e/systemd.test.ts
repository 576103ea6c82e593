import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import ava, { type ExecutionContext } from 'ava'
import { sleep } from '../../src/base/index.js'
import { testWhere } from '../support/available.js'
import { program, programAside, testDrive, type TestDrive } from '../support/drive.js'
import { serviceManager, type ServiceManager } from '../support/service-manager.js'
import { projectRoot } from '../support/sources.js'
import { until } from '../support/until.js'

/** They run a service manager, which makes control groups, so only on a machine that is there for that. */
const test = process.env['DAGDRIVE_TEST_SYSTEMD'] === '1' ? testWhere('fuse', 'root', 'systemd') : undefined
const WRITING = 'cd "$0"; for i in $(seq 1500); do echo line $i; sleep 0.01; done > written'

const timesIn = (drive: TestDrive, line: string): number => drive.log(Infinity).split(line).length - 1

/** The unit as it is shipped, with a drive that is mounted under it. */
async function underManager(t: ExecutionContext): Promise<{ manager: ServiceManager; drive: TestDrive }> {
  const manager = await serviceManager(t)
  const drive = testDrive(t, { user: { uid: 0, prefix: manager.prefix } })
  const program = join(manager.home, '.local/bin/dagdrive')
  mkdirSync(join(manager.home, '.local/bin'), { recursive: true })
  const cli = join(projectRoot, 'dist/src/cli/main.js')
  writeFileSync(program, `#!/bin/sh\nDAGDRIVE_HOME='${drive.home}' exec '${process.execPath}' '${cli}' "$@"\n`)
  chmodSync(program, 0o755)
  const unit = 'dagdrive.service'
  copyFileSync(join(projectRoot, 'systemd', unit), join(manager.home, '.config/systemd/user', unit))
  await drive.must(['init'])
  await drive.stop()
  manager.control('daemon-reload')
  t.is(manager.control('start', 'dagdrive'), '')
  await drive.mount()
  return { manager, drive }
}

const aside = ({ prefix }: ServiceManager, ...words: string[]): Promise<string> => {
  const [first, ...rest] = [...prefix, ...words]
  return programAside(first!, rest)
}

ava('S-101 R-61 the unit leaves the holder alive when the daemon is killed, and starts the daemon again', (t) => {
  const unit = readFileSync(join(projectRoot, 'systemd/dagdrive.service'), 'utf8')
  for (const line of [/^KillMode=process$/m, /^Restart=on-failure$/m, /^OOMPolicy=continue$/m]) t.regex(unit, line)
})

test?.('S-101 R-61 under systemd, kills of the daemon, of the main process and of the holder are pauses', async (t) => {
  t.timeout(10 * 60_000)
  const { manager, drive } = await underManager(t)
  const holder = drive.holderPid()
  const writing = aside(manager, 'sh', '-c', WRITING, drive.mountpoint)
  for (let round = 1; round <= 8; round++) {
    await sleep(700)
    if (round % 2 === 1) drive.killDaemon()
    else t.is(manager.control('kill', '--kill-whom=main', '-s', 'KILL', 'dagdrive'), '')
    t.true(
      await until(() => timesIn(drive, 'the mount goes on') >= round),
      `${drive.log()}${manager.control('status')}`,
    )
  }
  t.is(drive.holderPid(), holder)
  process.kill(holder!, 'SIGKILL')
  t.true(await until(() => timesIn(drive, 'another holder keeps the mount') === 1), drive.log())
  drive.killDaemon()
  await writing
  t.is((await aside(manager, 'sh', '-c', 'wc -l < "$0/written"', drive.mountpoint)).trim(), '1500')
  t.is(manager.control('stop', 'dagdrive'), '')
  t.is(drive.holderPid(), undefined)
  t.is(drive.daemonPid(), undefined)
})

test?.('S-101 R-61 under systemd, a restart and a kill of the whole group bring the mount back', async (t) => {
  t.timeout(10 * 60_000)
  const { manager, drive } = await underManager(t)
  const isMounted = (): boolean => {
    const [first, ...rest] = [...manager.prefix, 'cat', '/proc/self/mountinfo']
    return program(first, rest).split(` ${drive.mountpoint} `).length === 2
  }
  await aside(manager, 'sh', '-c', 'echo kept > "$0/note"; sync "$0/note"', drive.mountpoint)
  t.is(manager.control('restart', 'dagdrive'), '')
  t.true(isMounted(), drive.log())
  t.is(await aside(manager, 'cat', join(drive.mountpoint, 'note')), 'kept\n')
  manager.control('kill', '-s', 'KILL', 'dagdrive')
  t.is((await drive.run(['status'])).code, 0)
  t.true(await until(() => timesIn(drive, 'mounted readOnly=false') === 3 && isMounted()), drive.log())
  t.is(await aside(manager, 'cat', join(drive.mountpoint, 'note')), 'kept\n')
  t.is(manager.control('stop', 'dagdrive'), '')
  t.false(isMounted())
  t.is(drive.holderPid(), undefined)
})
