// Everything before the tests: missing programs, the native core, the compiler, real Kubo daemons, the linter.
import { spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

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
}

/**
 * Runs a program; resolves with whether it succeeded. Its output appears when it has ended, in one piece: steps run
 * beside each other and beside tests.
 */
export function step(name, args, timeout) {
  console.log(`# ${name}`)
  const began = performance.now()
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  running.add(child.pid)
  const timer = setTimeout(() => endGroup(child.pid), timeout)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text))
  return new Promise((resolve) => child.on('error', () => resolve(1)).on('close', resolve)).then((code) => {
    clearTimeout(timer)
    running.delete(child.pid)
    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    console.log(`${output}# ${name}: ${code === 0 ? 'done' : 'failed'} after ${seconds} s`)
    return code === 0
  })
}

/** Each step is a process group, with what it starts: a compiler, Go. */
const running = new Set()

/** Ends the steps that have not ended, for Ctrl-C. */
export function endSteps() {
  for (const pid of running) endGroup(pid)
}

function endGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // it has ended
  }
}

/** Removes build results without a source, and the compiler's incremental state if a result is missing. */
export function removeStale() {
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

/** Names the features that this machine lacks. */
export function missingFeatures() {
  const missing = Object.entries(PROGRAMS)
    .filter(([program]) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0)
    .map(([program, source]) => `${program} (package ${source})`)
  if (!hasGo()) missing.push('Go 1.26.5 or newer, to build Kubo (https://go.dev/dl)')
  if (!canMount()) missing.push('/dev/fuse readable and writable (kernel module fuse)')
  return missing
}

function hasGo() {
  return spawnSync('sh', ['-c', 'command -v go || ls /usr/local/go/bin/go ~/go/bin/go']).status === 0
}

function canMount() {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}
