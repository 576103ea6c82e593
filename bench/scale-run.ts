/** One load of scale.ts on its own drive, and the memory of the processes behind it. */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MIB, sleep, systemClock } from '../src/base/index.js'
import { programLater, TestDrive } from '../test/support/drive.js'
import { dropCaches } from './measure.js'

const CLIENT = fileURLToPath(new URL('./scale-client.js', import.meta.url))
const HOURS_MS = 6 * 3600_000
const LOOK_EVERY_MS = 200

export type Figures = Record<string, number>

export class ScaleRun {
  readonly drive: TestDrive
  readonly #folder: string
  readonly #keeps: boolean
  readonly #isThere: boolean
  /** Peak of each kind of memory, by name. */
  readonly #most: Figures = {}
  #looks: NodeJS.Timeout | undefined
  #daemon: number | undefined
  #holder: number | undefined

  /**
   * @param keep a folder in which the drive is kept; by default it is removed at the end
   * @param isThere whether an earlier run left the drive there
   */
  constructor(keep: string | undefined, isThere: boolean) {
    if (keep !== undefined) mkdirSync(keep, { recursive: true })
    this.drive = new TestDrive({ holder: true, ...(keep === undefined ? {} : { home: join(keep, 'home') }) })
    this.#folder = keep ?? join(this.drive.home, '..')
    this.#keeps = keep !== undefined
    this.#isThere = isThere
  }

  async start(): Promise<void> {
    const up = ['--node', `file://${join(this.#folder, 'node')}`, '--phrase-out', join(this.#folder, 'phrase')]
    if (!this.#isThere) await this.drive.up(up)
    this.#looks = setInterval(() => this.#look(), LOOK_EVERY_MS)
  }

  /** A step of scale-client.ts on the mount. */
  async client(step: string, ...numbers: number[]): Promise<Figures> {
    say(`  ${step} …`)
    const output = join(this.#folder, 'figures')
    const script = '"$@" > "$0"'
    const given = [CLIENT, step, this.drive.mountpoint, ...numbers.map(String)]
    const { done } = programLater('sh', ['-c', script, output, process.execPath, ...given], '/')
    if ((await done) !== 0) throw new Error(`${step} failed; the daemon's log:\n${this.drive.log()}`)
    const figures = JSON.parse(readFileSync(output, 'utf8')) as Figures
    say(`  ${step} ${text(figures)}; so far ${text(this.peak())}`)
    return figures
  }

  async timed(command: string, args: readonly string[]): Promise<number> {
    say(`  ${command} …`)
    const began = systemClock.monotonicMs()
    if ((await programLater(command, args, '/').done) !== 0) throw new Error(`${command} failed:\n${this.drive.log()}`)
    const seconds = (systemClock.monotonicMs() - began) / 1000
    say(`  ${command} took ${seconds.toFixed(1)} s`)
    return seconds
  }

  async publish(): Promise<Figures> {
    const began = systemClock.monotonicMs()
    await this.drive.must(['sync'], HOURS_MS)
    const publishSeconds = (systemClock.monotonicMs() - began) / 1000
    say(`  published in ${publishSeconds.toFixed(1)} s; so far ${text(this.peak())}`)
    return { publishSeconds }
  }

  /** Memory a while after the load. */
  async rest(seconds: number): Promise<Figures> {
    await sleep(seconds * 1000)
    const idleMib = this.drive.residentBytes() / MIB
    say(`  idle ${idleMib.toFixed(0)} MiB: ${text(partsOf(this.#status()))}`)
    return { idleMib }
  }

  /** Mounts the drive while its node is away. */
  async takeNodeAway(): Promise<void> {
    await this.publish()
    await this.#stopDaemon()
    renameSync(join(this.#folder, 'node'), join(this.#folder, 'node away'))
    await this.drive.mount()
  }

  /** Size of the tree's tables on disk. */
  localSize(): Figures {
    return { metaMib: statSync(join(this.drive.home, 'data', 'meta', 'data.mdb')).size / MIB }
  }

  async #stopDaemon(): Promise<void> {
    this.#forgetPids()
    await this.drive.unmount([], HOURS_MS)
    await this.drive.must(['daemon', 'stop'])
  }

  /** @returns seconds */
  async mountAgain(): Promise<number> {
    this.#look()
    if (this.drive.daemonPid() !== undefined) await this.#stopDaemon()
    if (process.getuid?.() === 0) dropCaches()
    const began = systemClock.monotonicMs()
    await this.drive.mount()
    this.#forgetPids()
    const mountSeconds = (systemClock.monotonicMs() - began) / 1000
    say(`  mounted in ${mountSeconds.toFixed(2)} s`)
    return mountSeconds
  }

  /**
   * Peak resident memory of any daemon of this run, peaks of its own memory and of mapped files, and peak of the
   * holder.
   */
  peak(): Figures {
    this.#look()
    return { ...this.#most }
  }

  async stop(): Promise<void> {
    clearInterval(this.#looks)
    if (this.#keeps) {
      await this.drive.unmount(['--now'], HOURS_MS).catch(() => '')
      await this.drive.must(['daemon', 'stop'], HOURS_MS).catch(() => '')
      rmSync(join(this.drive.mountpoint, '..'), { recursive: true, force: true })
      return
    }
    this.drive.destroy()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Call it after a change of the daemon. Finding the processes reads all of /proc. */
  #forgetPids(): void {
    this.#daemon = this.#holder = undefined
  }

  #look(): void {
    const status = this.#status()
    if (status === '') this.#forgetPids()
    const { Anon, File } = partsOf(status)
    this.#note('peakMib', field(status, 'VmHWM'))
    this.#note('peakAnonMib', Anon!)
    this.#note('peakFileMib', File!)
    this.#holder ??= this.drive.holderPid()
    if (this.#holder !== undefined) this.#note('holderMib', field(statusOf(this.#holder), 'VmHWM'))
  }

  #note(name: string, value: number): void {
    this.#most[name] = Math.max(this.#most[name] ?? 0, value)
  }

  #status(): string {
    return statusOf((this.#daemon ??= this.drive.daemonPid()))
  }
}

function partsOf(status: string): Figures {
  return Object.fromEntries(['Anon', 'File', 'Shmem'].map((name) => [name, field(status, `Rss${name}`)]))
}

/** In MiB; 0 if the process has ended. */
function field(status: string, name: string): number {
  return Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024
}

function statusOf(pid: number | undefined): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'latin1')
  } catch {
    return '' // it has ended
  }
}

export function text(figures: Figures): string {
  const format = (value: number): string =>
    Number.isInteger(value) || value >= 100 ? value.toFixed(0) : value.toFixed(2)
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${format(value)}`)
    .join('  ')
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
