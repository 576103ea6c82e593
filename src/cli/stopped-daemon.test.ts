import test from 'ava'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { deferred, type DriveError } from '../base/index.js'
import { watchingDaemon } from './stopped-daemon.js'

/** Another program with the command line of a daemon. */
async function standIn(words: string) {
  const child = spawn('sleep', ['600'], { argv0: words, stdio: 'ignore' })
  await once(child, 'spawn')
  const end = async (): Promise<void> => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  return { pid: child.pid!, end, stop: () => child.kill('SIGSTOP') }
}

test('S-154 a call to a stopped daemon goes on, and its command learns how to continue the daemon', async (t) => {
  const daemon = await standIn('/x/daemon/lifecycle/main.js')
  t.teardown(daemon.end)
  daemon.stop()
  const told = deferred<DriveError>()
  const answer = await watchingDaemon(() => told.promise, {
    daemonPid: () => Promise.resolve(daemon.pid),
    onStopped: (error) => told.resolve(error),
  })
  t.is(answer.code, 'DAEMON_UNREACHABLE')
  t.regex(answer.message, new RegExp(`kill -CONT ${daemon.pid}$`))
})

test('S-154 a stopped program that is no daemon, and a daemon that takes long, are nothing to tell', async (t) => {
  const other = await standIn('/bin/other')
  const busy = await standIn('/x/daemon/lifecycle/main.js')
  t.teardown(other.end)
  t.teardown(busy.end)
  other.stop()
  for (const { pid } of [other, busy]) {
    const looked = deferred<void>()
    let looks = 0
    await watchingDaemon(() => looked.promise, {
      daemonPid: () => {
        if (++looks === 2) looked.resolve()
        return Promise.resolve(pid)
      },
      onStopped: () => t.fail(),
    })
  }
  t.pass()
})
