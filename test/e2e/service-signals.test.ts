/** What systemd does to the processes of the service, with plain signals (systemd.test.ts runs the manager itself). */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { sleep } from '../../src/base/index.js'
import { testWhere } from '../support/available.js'
import { program, testDrive, type TestDrive } from '../support/drive.js'
import { until } from '../support/until.js'

const test = testWhere('fuse')

const isMounted = (drive: TestDrive): boolean =>
  readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${drive.mountpoint} `)

/** The service: `daemon run` as systemd starts it. */
class Service {
  main: ChildProcess

  constructor(private readonly drive: TestDrive) {
    this.main = this.start()
  }

  start(): ChildProcess {
    // Nobody listens there; a daemon under a manager is known by the variable.
    this.main = this.drive.start(['daemon', 'run'], { NOTIFY_SOCKET: join(this.drive.home, 'notify') })
    return this.main
  }

  pidOf(which: string): number {
    const pid = { main: this.main.pid, daemon: this.drive.daemonPid(), holder: this.drive.holderPid() }[which]
    if (pid === undefined) throw new Error(`there is no ${which}`)
    return pid
  }

  async ended(): Promise<void> {
    if (this.main.exitCode === null && this.main.signalCode === null) await once(this.main, 'exit')
  }
}

/** Started this often. A command that came earlier would start a daemon of its own. */
async function isStarted(t: ExecutionContext, drive: TestDrive, times: number): Promise<void> {
  t.true(await until(() => drive.log(Infinity).split(' info started ').length > times), drive.log())
}

async function service(t: ExecutionContext): Promise<{ drive: TestDrive; running: Service }> {
  const drive = testDrive(t)
  await drive.must(['init'])
  await drive.run(['daemon', 'stop'])
  const running = new Service(drive)
  t.teardown(() => running.main.kill('SIGKILL'))
  await isStarted(t, drive, 2)
  await drive.mount()
  return { drive, running }
}

/** Ended, with everything on disk. */
async function isGone(t: ExecutionContext, drive: TestDrive, running: Service, which: string): Promise<void> {
  await running.ended()
  t.false(isMounted(drive), `${which}\n${drive.log()}`)
  t.is(drive.daemonPid(), undefined, which)
  // Far less than the 30 s that a holder without a daemon waits.
  t.true(await until(() => drive.holderPid() === undefined), `${which}\n${drive.log()}`)
}

test('S-101 a service that is told to end leaves no mount and no process, whichever of its processes gets the signal first', async (t: ExecutionContext) => {
  t.timeout(5 * 60_000)
  const { drive, running } = await service(t)
  const orders: readonly (readonly [string, NodeJS.Signals])[][] = [
    [['main', 'SIGTERM']],
    [
      ['daemon', 'SIGTERM'],
      ['holder', 'SIGTERM'],
    ],
    [
      ['holder', 'SIGTERM'],
      ['daemon', 'SIGTERM'],
    ],
    [
      ['holder', 'SIGKILL'],
      ['main', 'SIGTERM'],
    ],
    [
      ['main', 'SIGTERM'],
      ['holder', 'SIGTERM'],
      ['daemon', 'SIGTERM'],
    ],
  ]
  for (const [round, order] of orders.entries()) {
    const which = order.map((words) => words.join(' ')).join(', ')
    if (round > 0) {
      running.start()
      await isStarted(t, drive, 2 + round)
      await drive.mount()
    }
    program('sh', ['-c', `echo ${round} > note`], { cwd: drive.mountpoint })
    const signals = order.map(([name, signal]) => [running.pidOf(name), signal] as const)
    for (const [pid, signal] of signals) process.kill(pid, signal)
    await isGone(t, drive, running, which)
  }
  running.start()
  await isStarted(t, drive, 2 + orders.length)
  await drive.mount()
  t.is(program('cat', [join(drive.mountpoint, 'note')]), `${orders.length - 1}\n`)
  running.main.kill('SIGTERM')
  await isGone(t, drive, running, 'the last one')
})

test('S-101 a signal to end that comes while the next daemon starts ends the mount cleanly', async (t: ExecutionContext) => {
  t.timeout(3 * 60_000)
  const { drive, running } = await service(t)
  // A stopped holder keeps the next daemon from its start for five seconds.
  process.kill(running.pidOf('holder'), 'SIGSTOP')
  const killed = running.pidOf('daemon')
  program('sh', ['-c', `echo kept > note; kill -9 ${killed}`], { cwd: drive.mountpoint })
  await running.ended()
  running.start()
  const lock = (): string => readFileSync(join(drive.home, 'daemon.lock'), 'utf8')
  t.true(await until(() => /"pid":\d+/.test(lock()) && !lock().includes(`"pid":${killed},`)))
  process.kill(running.pidOf('daemon'), 'SIGTERM')
  await isGone(t, drive, running, 'an early signal')
  await drive.mount()
  t.is(program('cat', [join(drive.mountpoint, 'note')]), 'kept\n')
  await drive.run(['unmount', '--now'])
})

test('S-101 a command after a kill of the whole service leaves the next daemon to the manager', async (t: ExecutionContext) => {
  t.timeout(3 * 60_000)
  const { drive, running } = await service(t)
  const pids = ['main', 'daemon', 'holder'].map((name) => running.pidOf(name))
  for (const pid of pids) process.kill(pid, 'SIGSTOP')
  for (const pid of pids) process.kill(pid, 'SIGKILL')
  await running.ended()
  const status = drive.must(['status'])
  await sleep(300)
  running.start()
  await status
  const stat = readFileSync(`/proc/${drive.daemonPid()}/stat`, 'utf8')
  t.is(Number(/\) \S (\d+)/.exec(stat)?.[1]), running.pidOf('main'))
  running.main.kill('SIGTERM')
  await isGone(t, drive, running, 'the main process')
})
