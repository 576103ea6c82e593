/** Measuring: runs commands in turn over several rounds, and prints medians and paired ratios. */
import { execFileSync, spawnSync } from 'node:child_process'
import { systemClock } from '../src/base/index.js'
import { projectRoot } from '../test/support/sources.js'

export interface Usage {
  readonly wallSeconds: number
  readonly cpuSeconds: number
}

/** Runs a command once. Returns wall and user+system seconds of its whole process tree; throws if it fails. */
export function timed(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Usage {
  const script = 'TIMEFORMAT="%R %U %S"; time "$@" > /dev/null'
  const result = spawnSync('bash', ['-c', script, 'bash', command, ...args], {
    ...options,
    encoding: 'utf8',
    timeout: 900_000,
  })
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${result.status} ${result.stderr}`)
  const [wall = 0, user = 0, system = 0] = result.stderr.trim().split('\n').at(-1)!.split(' ').map(Number)
  return { wallSeconds: wall, cpuSeconds: user + system }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export function geomean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)
}

/** Rows of cells as aligned text. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const text = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? format(cell) : cell)))
  const widths = text[0]!.map((_, column) => Math.max(...text.map((row) => (row[column] ?? '').length)))
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  ')
  return text.map(line).join('\n')
}

function format(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

export function hasProgram(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0
}

/** Empties the page cache before a cold read; needs root. */
export function dropCaches(): void {
  execFileSync('sh', ['-c', 'sync; echo 3 > /proc/sys/vm/drop_caches'])
}

export function machine(): string {
  const cpu = execFileSync('sh', ['-c', "sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1; nproc; uname -r"], {
    encoding: 'utf8',
  })
  const [model, cores, kernel] = cpu.trim().split('\n')
  return `${model}, ${cores} cores, Linux ${kernel}, Node ${process.version}`
}

/** The commit and date of a row in the history. */
export function stamp(): string {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: projectRoot, encoding: 'utf8' }).trim()
  return `${commit} ${new Date(systemClock.nowMs()).toISOString().slice(0, 10)}`
}
