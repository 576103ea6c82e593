/**
 * The cost of a drive with much content: resident memory of the daemon (its peak, and a minute after the load), and
 * times. Uses the real program: command line, daemon, kernel mount, embedded node.
 *   node dist/bench/scale.js [--loads files,huge,scattered] [--part 1] [--rest 60] [--record]
 * With `--part 10` each size is a tenth: of 1,000,000 files, one file of 1 TiB made by copy_file_range, 20 GiB of
 * random 4 KiB writes.
 */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { GIB, MIB, sleep, systemClock } from '../src/base/index.js'
import { programLater, TestDrive } from '../test/support/drive.js'
import { projectRoot } from '../test/support/sources.js'
import { dropCaches, machine, stamp } from './measure.js'

const CLIENT = fileURLToPath(new URL('./scale-client.js', import.meta.url))
const SEED_BYTES = GIB
const HOURS_MS = 6 * 3600_000
const { values } = parseArgs({
  options: {
    loads: { type: 'string', default: 'files,huge,scattered' },
    part: { type: 'string', default: '1' },
    rest: { type: 'string', default: '60' },
    record: { type: 'boolean', default: false },
  },
})
const part = Number(values.part)
type Figures = Record<string, number>

/** Doubles the file by copying until it has the size, without a byte passing through the memory of this process. */
const GROW = `
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
size, wanted = os.fstat(fd).st_size, int(sys.argv[2])
while size < wanted:
    left = min(size, wanted - size)
    done = 0
    while done < left:
        done += os.copy_file_range(fd, fd, left - done, done, size + done)
    size += left
os.fsync(fd)
`

const LOADS: Readonly<Record<string, (run: Run) => Promise<Figures>>> = {
  async files(run) {
    const files = Math.floor(1_000_000 / part)
    const created = await run.client('create', files)
    const published = await run.publish()
    const rest = await run.rest()
    const mounted = await run.mountAgain()
    const listed = await run.client('list', files)
    const walked = await run.client('walk')
    return { files, ...created, ...published, ...rest, ...mounted, ...listed, ...walked, ...run.peak() }
  },
  async huge(run) {
    const bytes = Math.floor(1024 / part) * GIB
    await run.client('seed', Math.min(SEED_BYTES, bytes))
    const growSeconds = await run.timed('python3', ['-c', GROW, join(run.drive.mountpoint, 'huge'), String(bytes)])
    const published = await run.publish()
    const rest = await run.rest()
    const mounted = await run.mountAgain()
    const read = await run.client('read-ends', bytes)
    const removeSeconds = await run.timed('rm', [join(run.drive.mountpoint, 'huge')])
    const publishedEmpty = await run.publish()
    const after = await run.rest()
    return {
      gib: bytes / GIB,
      growSeconds,
      ...published,
      ...rest,
      ...mounted,
      ...read,
      removeSeconds,
      publishRemovedSeconds: publishedEmpty['publishSeconds']!,
      idleAfterMib: after['idleMib']!,
      ...run.peak(),
    }
  },
  async scattered(run) {
    const bytes = Math.floor((20 * GIB) / part / MIB) * MIB
    const written = await run.client('random-writes', bytes)
    const peakWriting = run.peak()['peakMib']!
    const published = await run.publish()
    const rest = await run.rest()
    return { gib: bytes / GIB, ...written, peakWriting, ...published, ...rest, ...run.peak() }
  },
}

/** One load on a new drive. */
class Run {
  readonly drive = new TestDrive()
  #peak = 0

  async start(): Promise<void> {
    const node = join(this.drive.home, '..', 'node')
    await this.drive.up(['--node', `file://${node}`, '--phrase-out', join(this.drive.home, '..', 'phrase')])
  }

  /** Runs a step of scale-client.ts on the mount. */
  async client(step: string, ...numbers: number[]): Promise<Figures> {
    say(`  ${step} …`)
    const output = join(this.drive.home, '..', 'figures')
    const script = '"$@" > "$0"'
    const given = [CLIENT, step, this.drive.mountpoint, ...numbers.map(String)]
    const { done } = programLater('sh', ['-c', script, output, process.execPath, ...given], '/')
    if ((await done) !== 0) throw new Error(`${step} failed; the daemon's log:\n${this.drive.log()}`)
    const figures = JSON.parse(readFileSync(output, 'utf8')) as Figures
    this.#note()
    say(`  ${step} ${text(figures)}`)
    return figures
  }

  async timed(command: string, args: readonly string[]): Promise<number> {
    say(`  ${command} …`)
    const began = systemClock.monotonicMs()
    if ((await programLater(command, args, '/').done) !== 0) throw new Error(`${command} failed:\n${this.drive.log()}`)
    this.#note()
    const seconds = (systemClock.monotonicMs() - began) / 1000
    say(`  ${command} took ${seconds.toFixed(1)} s`)
    return seconds
  }

  async publish(): Promise<Figures> {
    const began = systemClock.monotonicMs()
    await this.drive.must(['sync'], HOURS_MS)
    this.#note()
    const publishSeconds = (systemClock.monotonicMs() - began) / 1000
    say(`  published in ${publishSeconds.toFixed(1)} s`)
    return { publishSeconds }
  }

  /** Memory some time after the load. */
  async rest(): Promise<Figures> {
    this.#note()
    await sleep(Number(values.rest) * 1000)
    const idleMib = this.drive.residentBytes() / MIB
    say(`  idle ${idleMib.toFixed(0)} MiB: ${this.#parts()}`)
    return { idleMib }
  }

  async mountAgain(): Promise<Figures> {
    await this.drive.unmount([], HOURS_MS)
    await this.drive.must(['daemon', 'stop'])
    if (process.getuid?.() === 0) dropCaches()
    const began = systemClock.monotonicMs()
    await this.drive.mount()
    return { mountSeconds: (systemClock.monotonicMs() - began) / 1000 }
  }

  /** Peak resident memory of any daemon of this run. */
  peak(): Figures {
    this.#note()
    return { peakMib: this.#peak / MIB }
  }

  stop(): void {
    this.drive.destroy()
    rmSync(join(this.drive.home, '..'), { recursive: true, force: true })
  }

  #note(): void {
    const high = Number(/VmHWM:\s+(\d+)/.exec(this.#status())?.[1] ?? 0) * 1024
    this.#peak = Math.max(this.#peak, high)
  }

  #parts(): string {
    return [...this.#status().matchAll(/Rss(\w+):\s+(\d+)/g)]
      .map(([, what, kib]) => `${what} ${(Number(kib) / 1024).toFixed(0)}`)
      .join(', ')
  }

  #status(): string {
    return readFileSync(`/proc/${this.drive.daemonPid()}/status`, 'latin1')
  }
}

for (const name of values.loads.split(',')) await measure(name)

async function measure(name: string): Promise<void> {
  say(`${name}, 1/${part} of the full size`)
  const run = new Run()
  try {
    await run.start()
    const figures = await LOADS[name]!(run)
    const row = `scale ${name}  ${stamp()}  ${machine()}  ${text(figures)}`
    say(row)
    if (values.record) appendFileSync(join(projectRoot, 'bench/history.txt'), `${row}\n`)
  } catch (error) {
    const kept = join(mkdtempSync(join(tmpdir(), 'dagdrive-scale-')), 'daemon.log')
    writeFileSync(kept, run.drive.log())
    say(`${name} failed, log in ${kept}: ${String(error)}`)
    process.exitCode = 1
  } finally {
    run.stop()
  }
}

function text(figures: Figures): string {
  const format = (value: number): string =>
    Number.isInteger(value) || value >= 100 ? value.toFixed(0) : value.toFixed(2)
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${format(value)}`)
    .join('  ')
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
