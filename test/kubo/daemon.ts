/**
 * A real Kubo daemon in a temporary repository, loopback only, on a free port. It ends with this process, even if that
 * is killed. `stop` removes its repository.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { buildKubo, type KuboVersion } from './build.js'

const run = promisify(execFile)
const READY_MS = 60_000
const STOP_MS = 15_000

export interface KuboOptions {
  /** Default 0.43. */
  readonly version?: KuboVersion
  /** `API.Authorizations`: user → secret, and the paths it may use. */
  readonly authorizations?: Readonly<
    Record<string, { readonly AuthSecret: string; readonly AllowedPaths: readonly string[] }>
  >
  /** Also serve the API on a unix socket in the repository. */
  readonly unixSocket?: boolean
  /** Extra arguments of `ipfs daemon`, such as `--enable-gc`. */
  readonly daemonArguments?: readonly string[]
}

export interface KuboDaemon {
  /** `http://127.0.0.1:PORT`; the same after restarts. */
  readonly url: string
  /** `unix:///…/api.sock`, if requested. */
  readonly unixUrl: string | undefined
  readonly repo: string
  /** Environment for running `program` against this repository. */
  readonly env: NodeJS.ProcessEnv
  /** The `ipfs` program. */
  readonly program: string
  readonly pid: number | undefined
  /** kill -9; resolves when the process has ended. The repository stays. */
  kill(): Promise<void>
  /** Stops it if it runs, removes a stale socket, and starts it on the same port. */
  restart(): Promise<void>
  /** Ends it and removes the repository. May be called twice. */
  stop(): Promise<void>
}

export async function startKubo(options: KuboOptions = {}): Promise<KuboDaemon> {
  const program = await buildKubo(options.version ?? '0.43')
  const repo = await mkdtemp(join(tmpdir(), 'dagdrive-kubo-'))
  const daemon = new Daemon(program, repo, options)
  try {
    await daemon.initialise()
    await daemon.start()
    return daemon
  } catch (error) {
    await daemon.stop()
    throw error
  }
}

class Daemon implements KuboDaemon {
  readonly program: string
  readonly repo: string
  readonly env: NodeJS.ProcessEnv
  readonly #options: KuboOptions
  readonly #socket: string
  #child: ChildProcess | undefined
  #url = ''
  #output = ''
  readonly #atExit = (): void => {
    this.#child?.kill('SIGKILL')
    rmSync(this.repo, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  }

  constructor(program: string, repo: string, options: KuboOptions) {
    this.program = program
    this.repo = repo
    this.#options = options
    this.#socket = join(repo, 'api.sock')
    this.env = { PATH: process.env['PATH'], HOME: repo, IPFS_PATH: repo, IPFS_TELEMETRY: 'off', GOMAXPROCS: '2' }
    process.once('exit', this.#atExit)
  }

  get url(): string {
    return this.#url
  }

  get unixUrl(): string | undefined {
    return this.#options.unixSocket === true ? `unix://${this.#socket}` : undefined
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  async initialise(): Promise<void> {
    await run(this.program, ['init', '--profile=test'], { env: this.env, timeout: READY_MS })
    await this.#configure('/ip4/127.0.0.1/tcp/0')
  }

  async start(): Promise<void> {
    // With a socket file left by kill -9 the daemon does not start: "bind: address already in use".
    await rm(this.#socket, { force: true })
    await rm(join(this.repo, 'api'), { force: true })
    this.#output = ''
    const [command, ...args] = diesWithParent([this.program, 'daemon', ...(this.#options.daemonArguments ?? [])])
    const child = spawn(command!, args, { env: this.env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    child.once('exit', () => {
      if (this.#child === child) this.#child = undefined
    })
    await this.#ready(child)
    const address = (await readFile(join(this.repo, 'api'), 'utf8')).trim()
    const port =
      /RPC API server listening on \/ip4\/127\.0\.0\.1\/tcp\/(\d+)/.exec(this.#output)?.[1] ??
      /tcp\/(\d+)/.exec(address)?.[1]
    if (port === undefined) throw new Error(`Kubo did not report its address:\n${this.#output}`)
    this.#url = `http://127.0.0.1:${port}`
    await this.#configure(`/ip4/127.0.0.1/tcp/${port}`)
  }

  #ready(child: ChildProcess): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => fail('did not get ready in time'), READY_MS)
      const fail = (what: string): void => {
        clearTimeout(timer)
        reject(new Error(`Kubo ${what}:\n${this.#output.slice(-2000)}`))
      }
      const read = (text: Buffer): void => {
        if (this.#output.length < 100_000) this.#output += text.toString()
        if (!this.#output.includes('Daemon is ready')) return
        clearTimeout(timer)
        resolve()
      }
      child.stdout!.on('data', read)
      child.stderr!.on('data', read)
      child.once('error', (error) => fail(`could not be started (${error.message})`))
      child.once('exit', (code) => fail(`ended with status ${String(code)}`))
    })
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async restart(): Promise<void> {
    await this.#end('SIGTERM')
    await this.start()
  }

  async stop(): Promise<void> {
    await this.#end('SIGKILL')
    process.off('exit', this.#atExit)
    await rm(this.repo, { recursive: true, force: true, maxRetries: 3 })
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill(signal)
    const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    await gone
    clearTimeout(killer)
  }

  async #configure(apiAddress: string): Promise<void> {
    const path = join(this.repo, 'config')
    const config = JSON.parse(await readFile(path, 'utf8')) as {
      Addresses: { API: unknown }
      API: { Authorizations?: unknown }
    }
    config.Addresses.API = this.#options.unixSocket === true ? [apiAddress, `/unix${this.#socket}`] : apiAddress
    if (this.#options.authorizations !== undefined) config.API.Authorizations = this.#options.authorizations
    await writeFile(path, JSON.stringify(config, undefined, 2))
  }
}

/** With `setpriv` (util-linux) the kernel ends the daemon when this process dies in any way. */
function diesWithParent(command: readonly string[]): readonly string[] {
  return existsSync('/usr/bin/setpriv') ? ['/usr/bin/setpriv', '--pdeathsig', 'KILL', ...command] : command
}
