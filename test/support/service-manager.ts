/**
 * A real systemd user manager, in a mount namespace of its own: what is mounted by its units is seen there only. Needs
 * root.
 */
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { ExecutionContext } from 'ava'

/**
 * It refuses to run where no systemd booted the machine: /run says so. It takes every process of the group it starts in
 * for its own, so it gets a group ($0) that has nothing else.
 */
const MANAGER = `set -e
  for group in /sys/fs/cgroup /sys/fs/cgroup/*; do
    [ -e "$group/cgroup.procs" ] || continue
    mkdir "$group/$0"
    echo $$ > "$group/$0/cgroup.procs" || true
  done 2>/dev/null
  [ "$(grep -c ":/$0$" /proc/self/cgroup)" -gt 0 ]
  mount -t tmpfs tmpfs /run
  mkdir -p /run/systemd/system /run/user/0
  exec /lib/systemd/systemd --user`
const GROUPS = '/sys/fs/cgroup'

export interface ServiceManager {
  /** Its home: units are in .config/systemd/user. */
  readonly home: string
  /** Precedes the name of a program that sees its mounts. */
  readonly prefix: readonly string[]
  /** `systemctl --user`. Its output, whatever its exit status. */
  control(...words: string[]): string
}

/** Ends with the test, with everything that its units started. */
export async function serviceManager(t: ExecutionContext): Promise<ServiceManager> {
  const home = mkdtempSync(join(tmpdir(), 'dagdrive-units-'))
  mkdirSync(join(home, '.config/systemd/user'), { recursive: true })
  const group = basename(home)
  const before = readFileSync('/proc/self/cgroup', 'utf8')
  const { DBUS_SESSION_BUS_ADDRESS: _bus, ...inherited } = process.env
  const env = { ...inherited, HOME: home, XDG_RUNTIME_DIR: '/run/user/0', SYSTEMD_LOG_TARGET: 'null' }
  const words = ['--mount', '--propagation', 'private', 'sh', '-c', MANAGER, group]
  const manager = spawn('unshare', words, { stdio: 'ignore', env })
  const ended = new Promise((resolve) => manager.once('exit', resolve))
  const prefix = ['nsenter', '-t', String(manager.pid), '-m']
  const control = (...given: string[]): string => {
    const [program, ...rest] = [...prefix, 'sh', '-c', 'exec systemctl --user "$@" 2>&1 || true', 'sh', ...given]
    return execFileSync(program!, rest, { env, encoding: 'utf8', timeout: 60_000 })
  }
  t.teardown(async () => {
    manager.kill('SIGTERM')
    await ended
    removeGroup(group)
    rmSync(home, { recursive: true, force: true })
  })
  for (let i = 0; i < 100 && !/running|degraded/.test(isRunning(control)); i++)
    await new Promise((resolve) => setTimeout(resolve, 100))
  t.is(readFileSync('/proc/self/cgroup', 'utf8'), before, 'the manager leaves other processes where they are')
  return { home, prefix, control }
}

function isRunning(control: ServiceManager['control']): string {
  try {
    return control('is-system-running')
  } catch {
    return '' // the namespace is being made
  }
}

/** The group of the manager, with those that it made for its units. */
function removeGroup(name: string): void {
  for (const parent of [GROUPS, ...readdirSync(GROUPS).map((hierarchy) => join(GROUPS, hierarchy))])
    removeEmpty(join(parent, name))
}

function removeEmpty(group: string): void {
  try {
    for (const entry of readdirSync(group, { withFileTypes: true }))
      if (entry.isDirectory()) removeEmpty(join(group, entry.name))
    rmdirSync(group)
  } catch {
    return // not in this hierarchy
  }
}
