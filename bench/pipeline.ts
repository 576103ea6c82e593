/**
 * The pipeline against its limit and against restic and borg, per CPU-second, over 1 GiB of random files on one medium.
 *   node dist/bench/pipeline.js [--rounds 5] [--on DIR] [--record]
 * limit: native core, no store. fallback: the JavaScript core into the same store. restic and borg run without
 * compression.
 */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { projectRoot } from '../test/support/sources.js'
import { makeBigFile } from '../test/support/workload.js'
import { hasProgram, machine, median, table, timed, type Usage } from './measure.js'

const FILES = 32
const FILE_MIB = 32
const RUN = fileURLToPath(new URL('./pipeline-run.js', import.meta.url))
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    on: { type: 'string', default: tmpdir() },
    record: { type: 'boolean', default: false },
  },
})

interface Contender {
  readonly name: string
  readonly run: (source: string, target: string) => Usage
}

const contenders: readonly Contender[] = [
  { name: 'limit', run: (source, target) => timed(process.execPath, [RUN, 'limit', source, target]) },
  { name: 'dagdrive', run: (source, target) => timed(process.execPath, [RUN, 'store', source, target]) },
  {
    name: 'fallback',
    run: (source, target) =>
      timed(process.execPath, [RUN, 'store', source, target], { env: { ...process.env, DAGDRIVE_CORE: 'javascript' } }),
  },
  {
    name: 'restic',
    run: (source, target) => {
      const env = {
        ...process.env,
        RESTIC_REPOSITORY: target,
        RESTIC_PASSWORD: 'bench',
        RESTIC_CACHE_DIR: `${target}-cache`,
      }
      timed('restic', ['init'], { env })
      return timed('restic', ['backup', '--compression', 'off', source], { env })
    },
  },
  {
    name: 'borg',
    run: (source, target) => {
      const env = { ...process.env, BORG_PASSPHRASE: 'bench', BORG_BASE_DIR: `${target}-base` }
      timed('borg', ['init', '--encryption', 'repokey-blake2', target], { env })
      return timed('borg', ['create', '--compression', 'none', `${target}::one`, source], { env })
    },
  },
]

const base = mkdtempSync(join(values.on, 'dagdrive-bench-'))
try {
  main()
} finally {
  rmSync(base, { recursive: true, force: true })
}

function main(): void {
  const source = join(base, 'source')
  mkdirSync(source)
  for (let i = 0; i < FILES; i++) makeBigFile(join(source, `file-${i}`), FILE_MIB * 1024 * 1024, `pipeline-${i}`)
  const chosen = contenders.filter(({ name }) => !['restic', 'borg'].includes(name) || hasProgram(name))
  const taken = new Map(chosen.map(({ name }) => [name, [] as Usage[]]))
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const { name, run } of round % 2 === 0 ? chosen : chosen.toReversed()) {
      const target = join(base, `${name}-${round}`)
      taken.get(name)!.push(run(source, target))
      for (const ending of ['', '-cache', '-base']) rmSync(target + ending, { recursive: true, force: true })
    }
  }
  report(chosen, taken)
}

function report(chosen: readonly Contender[], taken: ReadonlyMap<string, readonly Usage[]>): void {
  const megabytes = FILES * FILE_MIB
  const perCpu = (name: string): number[] => taken.get(name)!.map(({ cpuSeconds }) => megabytes / cpuSeconds)
  const ratio = (name: string, other: string): number =>
    median(perCpu(name).map((value, round) => value / perCpu(other)[round]!))
  const rows = chosen.map(({ name }) => [
    name,
    median(perCpu(name)),
    megabytes / median(taken.get(name)!.map(({ wallSeconds }) => wallSeconds)),
    ratio('dagdrive', name),
  ])
  process.stdout.write(`${machine()}\n${megabytes} MiB, medians of ${values.rounds} rounds, ratio paired by round\n`)
  process.stdout.write(`${table([['', 'MiB/CPU-s', 'MiB/s wall', 'dagdrive ÷ it'], ...rows])}\n`)
  if (!values.record) return
  const figures = chosen
    .filter(({ name }) => name !== 'dagdrive')
    .map(({ name }) => `${name} ${ratio('dagdrive', name).toFixed(2)}`)
  appendFileSync(
    join(projectRoot, 'bench/history.txt'),
    `pipeline  ${machine()}  per CPU-second, dagdrive ÷ it: ${figures.join('  ')}\n`,
  )
}
