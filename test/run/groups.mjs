// Which test files there are, and which of them may run at the same time.
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const BESIDE_SOURCES = ['src', 'test/meta', 'test/golden', 'test/support']
const SYSTEM = ['test/contract', 'test/e2e', 'test/crash']

/** They measure memory, pauses or speed, which others would disturb, or leave the others no processor. */
const ALONE = [
  'test/e2e/memory.test.ts',
  'test/e2e/scale.test.ts',
  'test/e2e/private-memory.test.ts',
  'test/crash/pause.test.ts',
  'test/e2e/foreign-suites.test.ts',
]

/** Their subject is a real disk. */
const ON_DISK = ['src/storage/kv/mapped-memory.test.ts']

const NEEDS_KUBO = /kubo\/(require-kubo|daemon|build)\.js|crash\/cut-off|node\.suite/

/** Of a test beside the sources that starts processes, mounts or daemons. */
const PROCESSES = new RegExp(
  [NEEDS_KUBO.source, "'node:child_process'", 'support/(available|drive|ordinary-user|small-disk|compile)\\.js']
    .concat('support/fuse/')
    .join('|'),
)

/** Of a test that runs devices with real databases, threads and time, or kills them at many steps. */
const DEVICES = /support\/sync\/(real-device|rotten|started-device|crash|fail-once|cut-off)\.js/

/** Names that `npm test -- NAME` knows. The linter is not a test file; run.mjs runs it. */
export const GROUPS = ['lint', 'unit', 'integration', 'system']

/**
 * Parts that run one after the other, for the arguments of the command: group names and paths of test files.
 * `needsKubo`: its files start real daemons, so it has to wait for the build of Kubo.
 * `inMemory`: its temporary files are in memory. One process has few of them.
 */
export function partsOf(names) {
  const named = names.filter((name) => name.endsWith('.ts'))
  if (named.length > 0) return [part(named, { concurrency: 1, longest: 900 })]
  const isWanted = (group) => names.length === 0 || names.includes(group)
  const beside = testsBelow(BESIDE_SOURCES)
  const processes = beside.filter((file) => ON_DISK.includes(file) || contains(file, PROCESSES))
  const devices = beside.filter((file) => contains(file, DEVICES) && !processes.includes(file))
  const unit = beside.filter((file) => !processes.includes(file) && !devices.includes(file))
  const quick = [...(isWanted('unit') ? unit : []), ...(isWanted('integration') ? devices : [])]
  const system = isWanted('system') ? testsBelow(SYSTEM) : []
  const alone = system.filter((file) => ALONE.includes(file))
  const rest = [...(isWanted('integration') ? processes : []), ...system.filter((file) => !ALONE.includes(file))]
  return [
    part(quick, { concurrency: 3, longest: 600, inMemory: true }),
    part(rest, { concurrency: 3, longest: 900 }),
    part(alone, { concurrency: 1, longest: 900 }),
  ].filter(({ files }) => files.length > 0)
}

function part(files, { concurrency, longest, inMemory = false }) {
  return { files: compiled(files), concurrency, longest, inMemory, needsKubo: needKubo(files) }
}

function testsBelow(folders) {
  const paths = folders.flatMap((folder) => readdirSync(folder, { recursive: true }).map((name) => join(folder, name)))
  return paths.filter((path) => path.endsWith('.test.ts')).sort()
}

function compiled(files) {
  return files.map((file) => join('dist', file.replace(/\.ts$/, '.js')))
}

function needKubo(files) {
  return files.some((file) => contains(file, NEEDS_KUBO))
}

function contains(file, pattern) {
  return pattern.test(readFileSync(file, 'utf8'))
}
