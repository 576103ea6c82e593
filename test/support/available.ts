/**
 * Features of this machine that tests need. Declare such a test through `testWhere(...)`: without the feature it is
 * skipped here and fails in CI, where all features must exist.
 */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { join } from 'node:path'
import ava, { type TestFn } from 'ava'
import { projectRoot } from './sources.js'

function hasProgram(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0
}

/** Its programs are not in the search path. */
function hasPostgresql(): boolean {
  return spawnSync('sh', ['-c', 'ls /usr/lib/postgresql/*/bin/initdb']).status === 0
}

function canMount(): boolean {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
    return hasProgram('fusermount3') || process.getuid?.() === 0
  } catch {
    return false // no FUSE on this machine
  }
}

export const available = {
  fuse: canMount(),
  nativeCore: existsSync(join(projectRoot, 'build', 'Release', 'dagdrive_seal.node')),
  /** With the library that reads the golden drive. */
  python: spawnSync('python3', ['-c', 'import cryptography']).status === 0,
  x64: process.arch === 'x64',
  root: process.getuid?.() === 0,
  git: hasProgram('git'),
  sqlite3: hasProgram('sqlite3'),
  setfattr: hasProgram('setfattr'),
  go: hasProgram('go'),
  gcc: hasProgram('gcc'),
  stressNg: hasProgram('stress-ng'),
  postgresql: hasPostgresql(),
  systemd: hasProgram('/lib/systemd/systemd') && hasProgram('systemctl'),
} as const

/** `ava` itself if all named features exist or in CI; otherwise `ava.skip`. */
export function testWhere(...needs: readonly (keyof typeof available)[]): TestFn | TestFn['skip'] {
  const missing = needs.filter((need) => !available[need])
  return missing.length === 0 || process.env['CI'] !== undefined ? ava.serial : ava.serial.skip
}
