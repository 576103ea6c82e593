/**
 * Builds real Kubo daemons for the tests, once per version, into a cache outside the tree: `fixtures/kubo/<version>`
 * names the modules, and Go fetches and builds them. Run directly, it builds all versions: `node
 * dist/test/kubo/build.js [version…]`.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, stat, unlink } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sleep, systemClock } from '../../src/base/index.js'

export const KUBO_VERSIONS = ['0.40', '0.43'] as const
export type KuboVersion = (typeof KUBO_VERSIONS)[number]

const BUILD_MS = 20 * 60_000
const PACKAGE = 'github.com/ipfs/kubo/cmd/ipfs'

/** Kubo is not available on this machine; the message says why. */
export class KuboUnavailable extends Error {
  override readonly name = 'KuboUnavailable'
}

/**
 * @returns the path of a real `ipfs` program. The first call may take minutes
 * @throws KuboUnavailable with the reason
 */
export async function buildKubo(version: KuboVersion, say: (line: string) => void = () => undefined): Promise<string> {
  const program = programOf(version)
  if (existsSync(program)) return program
  const directory = dirname(program)
  await mkdir(directory, { recursive: true })
  const release = await takeBuildLock(join(directory, 'building'))
  try {
    if (!existsSync(program)) {
      // Of builds that were killed.
      for (const name of await readdir(directory))
        if (name.startsWith(`${basename(program)}.`)) await rm(join(directory, name), { force: true })
      say(`building Kubo ${version} (once; a few minutes)`)
      await build(fixtureOf(version), program)
      say(`built ${program}`)
    }
  } finally {
    await release()
  }
  return program
}

/** Whether every version is built, or Go is installed to build it. */
export function canHaveKubo(): boolean {
  return findGo() !== undefined || KUBO_VERSIONS.every((version) => existsSync(programOf(version)))
}

/** DAGDRIVE_TEST_CACHE, else the user's cache folder. */
export function cacheDirectory(): string {
  const base = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  return process.env['DAGDRIVE_TEST_CACHE'] ?? join(base, 'dagdrive-test')
}

async function build(fixture: string, program: string): Promise<void> {
  const go = findGo()
  if (go === undefined) {
    throw new KuboUnavailable(
      'Go is not installed: tests against a real Kubo need Go 1.26.5 or newer (https://go.dev/dl).',
    )
  }
  const draft = `${program}.${process.pid}`
  const args = ['-n', '10', go, 'build', '-mod=readonly', '-buildvcs=false', '-trimpath', '-o', draft, PACKAGE]
  const environment = { ...process.env, CGO_ENABLED: '0', GOWORK: 'off' }
  const child = spawn('nice', args, { cwd: fixture, env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
  const killer = setTimeout(() => child.kill('SIGKILL'), BUILD_MS)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()))
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  }).finally(() => clearTimeout(killer))
  if (status !== 0) {
    await rm(draft, { force: true })
    throw new KuboUnavailable(`Kubo could not be built by ${go}:\n${output.trim().split('\n').slice(-8).join('\n')}`)
  }
  await rename(draft, program)
}

function findGo(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/local/go/bin', join(homedir(), 'go', 'bin')]
  return folders.map((folder) => join(folder, 'go')).find((go) => existsSync(go))
}

/** Waits while another process builds the same version. The lock of a dead builder is taken over. */
async function takeBuildLock(path: string): Promise<() => Promise<void>> {
  for (const end = performance.now() + BUILD_MS; performance.now() < end; await sleep(500)) {
    try {
      const file = await open(path, 'wx')
      await file.writeFile(String(process.pid))
      await file.close()
      return () => unlink(path)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
      if (await isAbandoned(path)) await rm(path, { force: true })
    }
  }
  throw new KuboUnavailable(`another build of Kubo did not end; delete ${path} if none is running`)
}

async function isAbandoned(path: string): Promise<boolean> {
  try {
    const pid = Number(await readFile(path, 'utf8'))
    if (pid === 0) return systemClock.nowMs() - (await stat(path)).mtimeMs > 5000
    process.kill(pid, 0)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH'
  }
}

function programOf(version: KuboVersion): string {
  return join(cacheDirectory(), `kubo-${version}-${fingerprint(fixtureOf(version))}`, 'ipfs')
}

function fixtureOf(version: KuboVersion): string {
  return join(projectRoot(), 'fixtures', 'kubo', version)
}

function fingerprint(fixture: string): string {
  const hash = createHash('sha256')
  for (const name of ['go.mod', 'go.sum']) hash.update(readFileSync(join(fixture, name)))
  return hash.digest('hex').slice(0, 12)
}

function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'fixtures', 'kubo'))) {
    if (folder === dirname(folder)) throw new KuboUnavailable('fixtures/kubo was not found above this file')
    folder = dirname(folder)
  }
  return folder
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const wanted = KUBO_VERSIONS.filter((version) => process.argv.length < 3 || process.argv.includes(version))
  try {
    for (const version of wanted) await buildKubo(version, (line) => process.stderr.write(`${line}\n`))
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
