/** Access of another program of the same user to the daemon's memory, which holds the drive's keys. */
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { temporaryFolder, testDrive } from '../support/drive.js'

const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
const USER = 54_321

testWhere('root')(
  'S-060 the daemon leaves no core dump, programs of its user cannot read its memory, and its own /proc/self works',
  (t: ExecutionContext) => {
    const folder = temporaryFolder(t, 'private')
    const home = join(folder, 'a-home-with-a-path-too-long-for-a-socket-of-the-kernel-'.repeat(2))
    mkdirSync(home, { mode: 0o700 })
    chownSync(home, USER, USER)
    chmodSync(folder, 0o755)
    const as = { uid: USER, gid: USER, cwd: '/', timeout: 300_000, encoding: 'utf8' } as const
    const run = (...args: string[]): string =>
      execFileSync(process.execPath, [CLI, ...args], { ...as, env: { PATH: process.env['PATH'], DAGDRIVE_HOME: home } })
    run('init')
    t.teardown(() => run('daemon', 'stop'))
    const status = JSON.parse(run('status', '--json')) as { state: string; daemon: { pid: number } }
    t.is(status.state, 'open', 'it still works')
    const { pid } = status.daemon
    t.is(statSync(`/proc/${pid}/environ`).uid, 0, 'its files in /proc belong to root')
    t.regex(readFileSync(`/proc/${pid}/limits`, 'latin1'), /^Max core file size +0 +0 /m)
    for (const file of ['environ', 'maps', 'mem'])
      t.not(spawnSync('cat', [`/proc/${pid}/${file}`], as).status, 0, `its own user cannot read ${file}`)
    run('sync')
  },
)

testWhere('fuse')(
  'S-060 no debugger listens in a daemon, not even in one started by the holder, if the shell requests one from Node',
  async (t: ExecutionContext) => {
    const drive = testDrive(t, { holder: true, environment: { NODE_OPTIONS: '--inspect=127.0.0.1:0' } })
    await drive.up(['--phrase-out', join(temporaryFolder(t, 'phrase'), 'phrase')])
    t.deepEqual(listeningPorts(drive.daemonPid()!), [], 'started by the command line')
    drive.killDaemon()
    t.deepEqual(await readdir(drive.mountpoint), [], 'the next one answers')
    t.deepEqual(listeningPorts(drive.daemonPid()!), [], 'started by the holder')
  },
)

/** The TCP ports on which a process listens. */
function listeningPorts(pid: number): string[] {
  const sockets = new Set(
    readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? ''
      } catch {
        return '' // closed meanwhile
      }
    }),
  )
  const lines = ['tcp', 'tcp6'].flatMap((name) =>
    readFileSync(`/proc/${pid}/net/${name}`, 'latin1').split('\n').slice(1),
  )
  const fields = lines.map((line) => line.trim().split(/\s+/))
  return fields.filter((it) => it[3] === '0A' && sockets.has(it[9] ?? '')).map((it) => it[1]!)
}
