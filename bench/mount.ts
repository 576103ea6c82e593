/**
 * The mount against its peers over the same medium, in turn over several rounds. Prints medians and, paired by round,
 * how many times faster than each peer dagdrive is. Other builds and settings of the drive are also compared by the CPU
 * time of daemon and holder.
 *   node dist/bench/mount.js [--rounds 3] [--on DIR] [--tests PART,…] [--warm] [--record]
 *     [--targets plain,bindfs,gocryptfs,rclone,kubo,dagdrive,no-holder,before]
 * `--tests` names parts of test names; some tests need the files of those before them. With `--warm`, all tests run
 * once before they are measured, as in a daemon that has run for a while.
 * Each test starts with nothing left to upload, and cold tests with an empty page cache. Background work that a test
 * starts is counted. DAGDRIVE_KUBO is the `ipfs` binary for the Kubo mount; DAGDRIVE_BENCH_BEFORE is a built checkout
 * of an earlier version, the target `before`.
 */
import { execFileSync, type ExecFileSyncOptionsWithStringEncoding } from 'node:child_process'
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { projectRoot } from '../test/support/sources.js'
import { makeRepository, makeSourceTar } from '../test/support/workload.js'
import { dropCaches, geomean, hasProgram, machine, median, table } from './measure.js'
import { TESTS } from './mount-client.js'
import { TARGETS, type Target } from './mount-targets.js'

/** Seconds by test and target, one entry for each round; undefined if the test failed. */
type Taken = Map<string, (number | undefined)[]>

const CLIENT = fileURLToPath(new URL('./mount-client.js', import.meta.url))
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    on: { type: 'string', default: tmpdir() },
    targets: { type: 'string', default: '' },
    tests: { type: 'string', default: '' },
    warm: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
  },
})
const tests = Object.keys(TESTS).filter((name) => values.tests.split(',').some((part) => name.includes(part)))
await main()

async function main(): Promise<void> {
  const base = mkdtempSync(join(values.on, 'dagdrive-bench-'))
  const targets = chosenTargets()
  const taken: Taken = new Map()
  const used: Taken = new Map()
  try {
    const material = join(base, 'material')
    mkdirSync(material)
    makeSourceTar(join(material, 'source.tar'))
    makeRepository(join(material, 'repository'))
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const target of round % 2 === 0 ? targets : targets.toReversed()) {
        if (target.isSlow === true && round > 0) continue
        await runTarget(target, join(base, `${target.name}-${round}`), material, round, { taken, used })
      }
    }
  } finally {
    rmSync(base, { recursive: true, force: true })
  }
  report(targets, taken, 'seconds', 'times faster')
  const drives = targets.filter(({ cpuSeconds }) => cpuSeconds !== undefined)
  if (drives.length > 0) report(drives, used, 'CPU seconds of daemon and holder', 'times less CPU')
}

function chosenTargets(): Target[] {
  const asked =
    values.targets === ''
      ? TARGETS.filter(({ isExtra }) => isExtra !== true)
      : TARGETS.filter(({ name }) => values.targets.split(',').includes(name))
  return asked.filter(({ name, program }) => {
    const isThere = program === undefined || hasProgram(program)
    if (!isThere) process.stdout.write(`left out: ${name} is not on this machine\n`)
    return isThere
  })
}

async function runTarget(
  target: Target,
  folder: string,
  material: string,
  round: number,
  { taken, used }: { readonly taken: Taken; readonly used: Taken },
): Promise<void> {
  mkdirSync(folder)
  const directory = await target.start(folder)
  try {
    if (values.warm) {
      const apart = join(directory, 'warm')
      mkdirSync(apart)
      for (const name of tests) runClient(name, apart, material, target)
      rmSync(apart, { recursive: true })
    }
    for (const name of tests) {
      target.settle?.(folder)
      if (name.includes('cold')) dropCaches()
      const key = `${name}|${target.name}`
      const before = target.cpuSeconds?.(folder)
      const seconds = runClient(name, directory, material, target)
      listOf(taken, key)[round] = seconds
      const after = target.cpuSeconds?.(folder)
      if (seconds !== undefined && before !== undefined && after !== undefined)
        listOf(used, key)[round] = after - before
    }
  } finally {
    await target.stop(folder)
    rmSync(folder, { recursive: true, force: true })
  }
}

function listOf(figures: Taken, key: string): (number | undefined)[] {
  const list = figures.get(key) ?? []
  figures.set(key, list)
  return list
}

function runClient(name: string, directory: string, material: string, target: Target): number | undefined {
  try {
    const options: ExecFileSyncOptionsWithStringEncoding = {
      encoding: 'utf8',
      timeout: target.isSlow === true ? 60_000 : 300_000,
      stdio: ['ignore', 'pipe', 'pipe'],
    }
    return Number(execFileSync(process.execPath, [CLIENT, name, directory, material], options))
  } catch (error) {
    process.stdout.write(
      `failed: ${name} on ${target.name}: ${String((error as { stderr?: string }).stderr ?? error).slice(0, 300)}\n`,
    )
    return undefined // the table shows it as failed
  }
}

function report(targets: readonly Target[], taken: Taken, unit: string, ratioName: string): void {
  const names = targets.map(({ name }) => name)
  const of = (test: string, target: string): (number | undefined)[] => taken.get(`${test}|${target}`) ?? []
  const rows = tests.map((test) => [test, ...names.map((name) => middle(of(test, name)) ?? 'failed')])
  process.stdout.write(
    `${machine()}\n${unit}, median of ${values.rounds} rounds\n${table([['', ...names], ...rows])}\n\n`,
  )

  const peers = names.filter((name) => name !== 'dagdrive')
  const ratio = (test: string, peer: string): number | undefined =>
    middle(of(test, 'dagdrive').map((own, round) => quotient(of(test, peer)[round], own)))
  const ratios = tests.map((test) => [test, ...peers.map((peer) => ratio(test, peer) ?? '-')])
  const means = peers.map((peer) =>
    geomean(tests.map((test) => ratio(test, peer)).filter((value) => value !== undefined)),
  )
  process.stdout.write(
    `${ratioName} than the peer, paired by round\n${table([['', ...peers], ...ratios, ['geomean', ...means]])}\n`,
  )
  if (values.record) {
    const figures = peers.map((peer, index) => `${peer} ${means[index]!.toFixed(2)}`).join('  ')
    appendFileSync(join(projectRoot, 'bench/history.txt'), `mount  ${machine()}  ${ratioName}, geomean: ${figures}\n`)
  }
}

function quotient(other: number | undefined, own: number | undefined): number | undefined {
  return other === undefined || own === undefined ? undefined : other / own
}

function middle(values_: readonly (number | undefined)[]): number | undefined {
  const known = values_.filter((value) => value !== undefined)
  return known.length === 0 ? undefined : median(known)
}
