// The README's test command: builds what is missing, reports missing requirements, runs every test and ends with
// `N passed, N failed, N skipped`.
//   npm test                      everything
//   npm test -- unit              only the tests beside the sources and the meta tests
//   npm test -- system            only contract, end-to-end and crash tests
//   npm test -- path/to.test.ts   one file
import { spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
process.chdir(root)

/**
 * Groups run one after the other: unit tests two files at a time, system tests one at a time, so that mounts do not
 * disturb each other.
 */
const GROUPS = {
  unit: {
    patterns: ['dist/src/**/*.test.js', 'dist/test/meta/**/*.test.js', 'dist/test/golden/**/*.test.js'],
    concurrency: 2,
    timeout: '3m',
  },
  system: {
    patterns: ['dist/test/contract/**/*.test.js', 'dist/test/e2e/**/*.test.js', 'dist/test/crash/**/*.test.js'],
    concurrency: 1,
    timeout: '8m',
  },
}

const PROGRAMS = {
  git: 'git',
  tar: 'tar',
  sqlite3: 'sqlite3',
  setfattr: 'attr',
  fusermount3: 'fuse3',
  rsync: 'rsync',
  gcc: 'gcc',
  psql: 'postgresql',
  'stress-ng': 'stress-ng',
  go: 'golang (1.26 or newer, to build Kubo)',
}

await main(process.argv.slice(2))

async function main(args) {
  const unknown = args.filter((name) => !(name in GROUPS) && !(name.endsWith('.ts') && existsSync(name)))
  if (unknown.length > 0) {
    console.log(`no such tests: ${unknown.join(', ')}; give "unit", "system" or paths of .test.ts files`)
    process.exit(2)
  }
  reportMissing()
  step('native core', process.execPath, ['native/install.mjs', ...(process.env.CI ? ['--strict'] : [])], false)
  removeStale()
  step('TypeScript', process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'], false)
  buildKubo(args)
  const total = { passed: 0, failed: 0, skipped: 0 }
  if (args.length === 0 || args.includes('unit')) total[lint() ? 'passed' : 'failed']++
  for (const group of groupsFor(args)) {
    const counts = await runAva(group)
    for (const key of Object.keys(total)) total[key] += counts[key]
  }
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
  process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0)
}

/** Removes build results without a source, and the compiler's incremental state if a result is missing. */
function removeStale() {
  if (!existsSync('dist')) return
  for (const path of readdirSync('dist', { recursive: true })) {
    const source = /^(.*)\.js(\.map)?$/.exec(path)?.[1]
    if (source !== undefined && !existsSync(`${source}.ts`)) rmSync(join('dist', path))
  }
  const isBuilt = (path) => !path.endsWith('.ts') || existsSync(join('dist', path.replace(/\.ts$/, '.js')))
  const sources = ['src', 'test', 'bench'].flatMap((folder) =>
    readdirSync(folder, { recursive: true }).map((path) => join(folder, path)),
  )
  if (!sources.every(isBuilt)) rmSync('dist/.tsbuildinfo', { force: true })
}

function groupsFor(args) {
  const named = args.filter((name) => name in GROUPS).map((name) => GROUPS[name])
  const files = args.filter((name) => name.endsWith('.ts')).map((name) => `dist/${name.replace(/\.ts$/, '.js')}`)
  if (files.length > 0) named.push({ patterns: files, concurrency: 1, timeout: '8m' })
  return named.length > 0 ? named : Object.values(GROUPS)
}

/** Builds real Kubo daemons, once for each machine. Without Go, the tests that need them are skipped with a message. */
function buildKubo(args) {
  if (args.some((name) => name.endsWith('.ts'))) return
  console.log('# Kubo 0.40 and 0.43 (the first time some minutes)')
  spawnSync(process.execPath, ['dist/test/kubo/build.js'], { stdio: 'inherit', timeout: 2_400_000 })
}

function step(title, command, args, done) {
  if (done) return
  console.log(`# ${title}`)
  const result = spawnSync(command, args, { stdio: 'inherit', timeout: 600_000 })
  if (result.status !== 0) {
    console.log(`${title} failed`)
    console.log('0 passed, 1 failed, 0 skipped')
    process.exit(1)
  }
}

/** Violations of style count as one failure and do not prevent the tests. */
function lint() {
  console.log('# lint')
  const options = { stdio: 'inherit', timeout: 600_000 }
  return spawnSync(process.execPath, ['node_modules/eslint/bin/eslint.js', '.'], options).status === 0
}

function reportMissing() {
  const missing = Object.entries(PROGRAMS)
    .filter(([program]) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0)
    .map(([program, source]) => `${program} (package ${source})`)
  if (!canMount()) missing.push('/dev/fuse readable and writable (kernel module fuse)')
  if (missing.length > 0) console.log(`# missing, so some tests cannot run: ${missing.join(', ')}`)
}

function canMount() {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** Runs ava with TAP output and counts; a crash or a time-out of ava itself counts as one failure. */
async function runAva({ patterns, concurrency, timeout }) {
  const ava = join('node_modules', 'ava', 'entrypoints', 'cli.mjs')
  const args = [ava, '--tap', '--timeout', timeout, '--concurrency', String(concurrency), ...patterns]
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, FORCE_COLOR: '0' },
  })
  const counts = { passed: 0, failed: 0, skipped: 0 }
  for await (const line of createInterface({ input: child.stdout })) {
    if (/^not ok /.test(line)) counts.failed++
    else if (/^ok .*# SKIP/.test(line)) counts.skipped++
    else if (/^ok /.test(line)) counts.passed++
    console.log(line)
  }
  const code = await new Promise((resolve) =>
    child.exitCode === null ? child.on('close', resolve) : resolve(child.exitCode),
  )
  if (code !== 0 && counts.failed === 0) counts.failed = 1
  if (process.env.CI && counts.skipped > 0) counts.failed++
  return counts
}
