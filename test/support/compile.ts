/** C programs of fixtures/programs, built once per test run. */
import { execFileSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { temporaryFolder } from './drive.js'
import { projectRoot } from './sources.js'

/**
 * Builds `fixtures/programs/<name>.c`.
 * @returns a path that every user may run, removed after the test
 */
export function compiled(t: ExecutionContext, name: string): string {
  const folder = temporaryFolder(t, 'program')
  const path = join(folder, name)
  const source = join(projectRoot, 'fixtures/programs', `${name}.c`)
  execFileSync('gcc', ['-O1', '-Wall', '-Werror', '-pthread', '-o', path, source], { timeout: 300_000 })
  chmodSync(folder, 0o755)
  return path
}
