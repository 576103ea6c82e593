/** A real drive for tests: the command line, its daemon and a kernel mount, in temporary folders, always cleaned up. */
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { OrdinaryUser } from './ordinary-user.js'
import { daemonOf, holderOf, untilEnded } from './drive-processes.js'
import { projectRoot } from './sources.js'

const CLI = 'dist/src/cli/main.js'

export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface DriveOptions {
  /** Path of the home; a new temporary folder by default. */
  readonly home?: string
  readonly environment?: Readonly<Record<string, string>>
  /** Whether its drive thread may die or a failure may stay unhandled. Otherwise either makes the test fail. */
  readonly mayFail?: boolean
  /** False: no holder keeps the mount when the daemon is killed. Default true, as for users. */
  readonly holder?: boolean
  /** The user it belongs to; by default root. */
  readonly user?: OrdinaryUser | undefined
}

export class TestDrive {
  readonly home: string
  readonly mountpoint: string
  readonly mayFail: boolean
  /** The folder of the program. */
  installation = projectRoot
  private readonly environment: NodeJS.ProcessEnv
  /** Precedes the program of the command line. */
  private readonly prefix: readonly string[]

  constructor(options: DriveOptions = {}) {
    const base = mkdtempSync(join(tmpdir(), 'dagdrive-test-'))
    this.home = options.home ?? join(base, 'home')
    this.mountpoint = join(base, 'mount')
    this.mayFail = options.mayFail ?? false
    mkdirSync(this.mountpoint)
    const { user } = options
    this.prefix = user?.prefix ?? []
    if (user !== undefined) for (const path of [base, this.mountpoint]) chownSync(path, user.uid, user.uid)
    const DAGDRIVE_HOLDER = options.holder === false ? '0' : '1'
    this.environment = { ...process.env, DAGDRIVE_HOME: this.home, DAGDRIVE_HOLDER, ...options.environment }
  }

  /** Runs `dagdrive …arguments`. Does not throw for an exit status. */
  run(args: readonly string[], timeoutMs = 300_000): Promise<CommandResult> {
    const [program, ...words] = [...this.prefix, process.execPath, join(this.installation, CLI), ...args]
    return new Promise((resolve, reject) => {
      execFile(
        program!,
        words,
        { env: this.environment, timeout: timeoutMs, maxBuffer: 64 * 1024 * 1024 },
        (error, stdout, stderr) => {
          if (error !== null && error.killed === true)
            reject(new Error(`dagdrive ${args[0]} timed out: ${stdout}${stderr}`))
          else resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr })
        },
      )
    })
  }

  /** Starts `dagdrive …arguments` and does not wait for it. */
  start(args: readonly string[], environment: Readonly<Record<string, string>> = {}): ChildProcess {
    return spawn(process.execPath, [join(this.installation, CLI), ...args], {
      env: { ...this.environment, ...environment },
      stdio: 'ignore',
    })
  }

  /** Runs a command that must succeed. */
  async must(args: readonly string[], timeoutMs?: number): Promise<string> {
    const result = await this.run(args, timeoutMs)
    if (result.code !== 0)
      throw new Error(
        `dagdrive ${args.join(' ')}: exit ${result.code}\n${result.stdout}${result.stderr}\n${this.log()}`,
      )
    return result.stdout
  }

  async json<T>(args: readonly string[]): Promise<T> {
    return JSON.parse(await this.must([...args, '--json'])) as T
  }

  up(args: readonly string[] = []): Promise<string> {
    return this.must(['up', this.mountpoint, ...args])
  }

  mount(args: readonly string[] = []): Promise<string> {
    return this.must(['mount', this.mountpoint, ...args])
  }

  unmount(args: readonly string[] = [], timeoutMs?: number): Promise<string> {
    return this.must(['unmount', this.mountpoint, ...args], timeoutMs)
  }

  /** Ends the daemon. What is not published yet stays staged (status 3), such as the first version of a new drive. */
  async stop(): Promise<void> {
    const { code, stderr } = await this.run(['daemon', 'stop'])
    if (code !== 0 && code !== 3) throw new Error(`dagdrive daemon stop: exit ${code}\n${stderr}\n${this.log()}`)
  }

  /** The daemon's process id, or undefined when none runs for this home. */
  daemonPid(): number | undefined {
    return daemonOf(this.home)
  }

  /** The process that keeps the mount, or undefined. */
  holderPid(): number | undefined {
    return holderOf(this.home)
  }

  /** The holder starts the next daemon at once. */
  killDaemon(): void {
    const pid = this.daemonPid()
    if (pid === undefined) throw new Error('no daemon to kill')
    process.kill(pid, 'SIGKILL')
    untilEnded(pid)
  }

  /** Kills daemon and holder at once, like a crash of the machine: only data on disk remains. */
  killAll(): void {
    let isDead = false
    for (let pid = this.daemonPid(); pid !== undefined || !isDead; pid = this.daemonPid()) {
      // A stopped daemon starts no other holder.
      if (pid !== undefined) process.kill(pid, 'SIGSTOP')
      const holder = this.holderPid()
      isDead = holder === undefined
      for (const one of [holder, pid]) {
        if (one === undefined) continue
        process.kill(one, 'SIGKILL')
        untilEnded(one)
      }
    }
  }

  /** Resident memory of the daemon in bytes. */
  residentBytes(): number {
    const status = readFileSync(`/proc/${this.daemonPid()}/status`, 'latin1')
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024
  }

  log(lines = 40): string {
    const path = join(this.home, 'daemon.log')
    return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(-lines).join('\n') : ''
  }

  /** Ends the daemon and every mount of this drive, and removes its folders. */
  destroy(): void {
    this.killAll()
    spawnQuietly('umount', ['-l', this.mountpoint])
    rmSync(join(this.mountpoint, '..'), { recursive: true, force: true })
    rmSync(this.home, { recursive: true, force: true })
  }
}

/** What a daemon logs about failures that nobody handled, on any thread, and about listeners that pile up. */
const UNHANDLED = /.*(?:an unhandled failure|an uncaught failure|the drive thread failed|MaxListenersExceeded).*/

/** A drive that is destroyed when the test ends. */
export function testDrive(t: ExecutionContext, options?: DriveOptions): TestDrive {
  const drive = new TestDrive(options)
  t.teardown(() => {
    const unhandled = UNHANDLED.exec(drive.log(Infinity))
    drive.destroy()
    if (unhandled !== null && !drive.mayFail) throw new Error(`The daemon logged: ${unhandled[0]}`)
  })
  return drive
}

/**
 * Runs a program outside this process, so that it may access a mount. Returns its standard output; throws if it fails.
 */
export function program(
  command: string,
  args: readonly string[],
  options: { cwd?: string; input?: string; timeoutMs?: number; env?: NodeJS.ProcessEnv } = {},
): string {
  return execFileSync(command, args, {
    cwd: options.cwd,
    input: options.input,
    timeout: options.timeoutMs ?? 300_000,
    encoding: 'latin1',
    maxBuffer: 256 * 1024 * 1024,
    env: options.env ?? process.env,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}

/** Like `program`, without blocking this process. For tests that serve the node's proxy themselves. */
export function programAside(command: string, args: readonly string[], cwd?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd, timeout: 300_000, encoding: 'latin1', maxBuffer: 256 * 1024 * 1024 } as const
    execFile(command, args, options, (error, stdout) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${error.message}\n${stdout}`, { cause: error }))
    })
  })
}

/** Like `programAside`, but resolves with the exit status. */
export function programLater(
  command: string,
  args: readonly string[],
  cwd: string,
): { pid: number; done: Promise<number> } {
  const child = spawn(command, args, { cwd, stdio: 'ignore' })
  const done = new Promise<number>((resolve, reject) =>
    child.on('error', reject).on('close', (code) => resolve(code ?? 1)),
  )
  return { pid: child.pid!, done }
}

/** A temporary folder that is removed after the test. */
export function temporaryFolder(t: ExecutionContext, name = 'work'): string {
  const path = mkdtempSync(join(tmpdir(), `dagdrive-${name}-`))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

function spawnQuietly(command: string, args: readonly string[]): void {
  try {
    execFileSync(command, args, { stdio: 'ignore', timeout: 10_000 })
  } catch {
    return // nothing was mounted
  }
}
