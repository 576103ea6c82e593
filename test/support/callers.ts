/**
 * The callers of the mount. On root's own mount without `--allow-other` the kernel checks no permissions. On a shared
 * mount it checks them for every caller. Both must give the same results as an ordinary directory.
 */
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { program, TestDrive, temporaryFolder } from './drive.js'

/** With a search path of programs that every user may run. */
const ORDINARY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', 'env', 'PATH=/usr/bin:/bin'] as const

export interface Caller {
  readonly name: string
  readonly mount: 'own' | 'shared'
  /** Precedes the name of a program. */
  readonly prefix: readonly string[]
}

export const callers: readonly Caller[] = [
  { name: 'root on its own mount', mount: 'own', prefix: [] },
  { name: 'root on a shared mount', mount: 'shared', prefix: [] },
  { name: 'an ordinary user on a shared mount', mount: 'shared', prefix: ORDINARY },
]

/** Two mounted drives on embedded nodes, shared by all tests of a file. */
export class CallersDrives {
  readonly #drives = { own: new TestDrive(), shared: new TestDrive() }
  #folders = 0

  async open(): Promise<void> {
    await this.#drives.own.up()
    await this.#drives.shared.up(['--allow-other'])
    // mkdtemp gives other users no access to the folder around the mountpoint.
    chmodSync(join(this.#drives.shared.mountpoint, '..'), 0o755)
    chmodSync(this.#drives.shared.mountpoint, 0o777)
  }

  close(): void {
    this.#drives.own.destroy()
    this.#drives.shared.destroy()
  }

  drive(caller: Caller): TestDrive {
    return this.#drives[caller.mount]
  }

  /** A new folder on the caller's mount and an ordinary folder to compare with. The caller has access to both. */
  folders(t: ExecutionContext, caller: Caller): { readonly mounted: string; readonly plain: string } {
    const mounted = join(this.drive(caller).mountpoint, `folder-${this.#folders++}`)
    const plain = temporaryFolder(t, 'plain')
    mkdirSync(mounted)
    for (const folder of [mounted, plain]) chmodSync(folder, 0o777)
    return { mounted, plain }
  }
}

/** Runs a program as the caller. Returns its standard output; throws if it fails. */
export function runAs(
  caller: Caller,
  command: readonly string[],
  options?: { cwd?: string; input?: string; timeoutMs?: number },
): string {
  const [name, ...args] = [...caller.prefix, ...command]
  return program(name!, args, options)
}
