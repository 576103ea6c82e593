// Which test files there are, and which of them may run at the same time.
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const UNIT = ['src', 'test/meta', 'test/golden']
const SYSTEM = ['test/contract', 'test/e2e', 'test/crash']

/** They measure memory, pauses or speed, which others would disturb, or leave the others no processor. */
const ALONE = [
  'test/e2e/memory.test.ts',
  'test/e2e/scale.test.ts',
  'test/e2e/private-memory.test.ts',
  'test/crash/pause.test.ts',
  'test/e2e/foreign-suites.test.ts',
]

const NEEDS_KUBO = /kubo\/(require-kubo|daemon|build)\.js|crash\/cut-off|node\.suite/

/** Names that `npm test -- NAME` knows. */
export const GROUPS = ['unit', 'system']

/**
 * Parts that run one after the other, for the arguments of the command: group names and paths of test files.
 * `needsKubo`: its files start real daemons, so it has to wait for the build of Kubo.
 */
export function partsOf(names) {
  const named = names.filter((name) => name.endsWith('.ts'))
  if (named.length > 0) return [{ files: compiled(named), concurrency: 1, longest: 900, needsKubo: needKubo(named) }]
  const unit = names.length === 0 || names.includes('unit') ? testsBelow(UNIT) : []
  const system = names.length === 0 || names.includes('system') ? testsBelow(SYSTEM) : []
  const quick = unit.filter((file) => !needKubo([file]))
  const rest = [...unit, ...system].filter((file) => !quick.includes(file) && !ALONE.includes(file))
  const alone = system.filter((file) => ALONE.includes(file))
  return [
    { files: compiled(quick), concurrency: 3, longest: 600, needsKubo: false },
    { files: compiled(rest), concurrency: 3, longest: 900, needsKubo: true },
    { files: compiled(alone), concurrency: 1, longest: 900, needsKubo: needKubo(alone) },
  ]
}

function testsBelow(folders) {
  const paths = folders.flatMap((folder) => readdirSync(folder, { recursive: true }).map((name) => join(folder, name)))
  return paths.filter((path) => path.endsWith('.test.ts')).sort()
}

function compiled(files) {
  return files.map((file) => join('dist', file.replace(/\.ts$/, '.js')))
}

function needKubo(files) {
  return files.some((file) => NEEDS_KUBO.test(readFileSync(file, 'utf8')))
}
