// The README's test command: builds what is missing, reports missing requirements, runs every test and ends with
// `N passed, N failed, N skipped`, whatever happens.
//   npm test                      everything
//   npm test -- lint              only the linter
//   npm test -- unit              only tests of one process, without mounts and daemons
//   npm test -- integration       the other tests beside the sources: processes, mounts, Kubo daemons, whole devices
//   npm test -- system            only contract, end-to-end and crash tests
//   npm test -- path/to.test.ts   one file
import { chmodSync, existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runAva } from './run/ava.mjs'
import { GROUPS, partsOf } from './run/groups.mjs'
import { endSteps, missingFeatures, removeStale, step } from './run/steps.mjs'
import { TestFiles } from './run/test-files.mjs'

process.chdir(dirname(dirname(fileURLToPath(import.meta.url))))

const counts = { passed: 0, failed: 0, skipped: 0 }
const run = { counts, files: new TestFiles(fail), last: undefined, child: undefined, fail, skip }

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop(signal))
try {
  await main(process.argv.slice(2))
} catch (error) {
  fail(`the test command itself failed: ${error.stack}`)
}
finish()

async function main(names) {
  const unknown = names.filter((name) => !GROUPS.includes(name) && !(name.endsWith('.ts') && existsSync(name)))
  if (unknown.length > 0)
    return fail(`no such tests: ${unknown.join(', ')}; give ${GROUPS.join(', ')} or .test.ts files`)
  const missing = missingFeatures()
  if (missing.length > 0) console.log(`# missing, so some tests cannot run: ${missing.join(', ')}`)
  if (!(await build())) return
  // The linter and the build of Kubo need no test, and most tests need neither.
  const linted = names.length === 0 || names.includes('lint') ? lint() : undefined
  const parts = partsOf(names)
  const kubo = parts.some(({ needsKubo }) => needsKubo) ? buildKubo() : undefined
  for (const part of parts) {
    if (part.needsKubo) await kubo
    await runAva(part, run)
  }
  await linted
}

/** The native core and the compiler need nothing of each other. */
async function build() {
  removeStale()
  const native = ['native/install.mjs', ...(process.env.CI ? ['--strict'] : [])]
  const built = await Promise.all([
    step('native core', native, 600_000),
    step('TypeScript', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'], 600_000),
  ])
  if (built.includes(false)) fail('the build failed')
  else chmodSync('dist/src/cli/main.js', 0o755) // the compiler makes files that cannot be executed
  return !built.includes(false)
}

/** Violations of style count as one failure and do not prevent the tests. */
async function lint() {
  if (await step('lint', ['node_modules/eslint/bin/eslint.js', '.'], 600_000)) counts.passed++
  else fail('lint')
}

/** Once for each machine. Without Go, the tests that need Kubo are skipped with a message. */
function buildKubo() {
  return step(
    'Kubo 0.40 and 0.43 (the first time some minutes, and about 230 MB of Go modules)',
    ['dist/test/kubo/build.js'],
    2_400_000,
  )
}

function fail(line) {
  counts.failed++
  console.log(`not ok - ${line}`)
}

/** In CI every feature must exist. */
function skip(title) {
  counts.skipped++
  if (process.env.CI) fail(`skipped in CI: ${title}`)
}

function stop(signal) {
  const running = run.files.describeRunning()
  fail(`ended by ${signal} while these ran: ${running.join(', ') || 'no test'}; last result: ${run.last ?? 'none'}`)
  finish()
}

/** The summary goes first: whoever sent the signal may not wait for us to clean up. */
function finish() {
  const slowest = run.files.slowest(10)
  if (slowest.length > 1) console.log(`# slowest test files\n${slowest.map((line) => `# ${line}`).join('\n')}`)
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
  run.child?.kill('SIGKILL')
  endSteps()
  run.files.remove()
  process.exit(counts.failed > 0 || counts.passed === 0 ? 1 : 0)
}
