/**
 * An ordinary user who may mount: in a separate mount namespace with a /dev/fuse open to everybody, like on
 * distributions. Mounts made there are visible only there.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'

const UID = 65_534
const KEEPER = `set -e
  mknod -m 666 "$0" c 10 229
  mount --bind "$0" /dev/fuse
  echo ready
  exec sleep infinity`

export interface OrdinaryUser {
  readonly uid: number
  /** What comes before a program's name. */
  readonly prefix: readonly string[]
}

/** Exists until the test ends. Needs root. */
export async function ordinaryUser(t: ExecutionContext): Promise<OrdinaryUser> {
  const folder = mkdtempSync(join(tmpdir(), 'dagdrive-user-'))
  const words = ['--mount', '--propagation', 'private', 'sh', '-c', KEEPER, join(folder, 'fuse')]
  const keeper = spawn('unshare', words, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => {
    keeper.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  await new Promise<void>((resolve, reject) => {
    keeper.stdout.once('data', () => resolve())
    keeper.once('exit', (code) => reject(new Error(`The namespace was not made: ${code}`)))
  })
  const namespace = ['nsenter', '-t', String(keeper.pid), '-m']
  const identity = ['setpriv', `--reuid=${UID}`, `--regid=${UID}`, '--clear-groups', '--inh-caps=-all']
  // Other users may have no access to the caller's programs and home.
  return { uid: UID, prefix: [...namespace, ...identity, 'env', 'PATH=/usr/bin:/bin', 'HOME=/'] }
}
