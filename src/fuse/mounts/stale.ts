/** Finds and removes mounts whose server is dead or hangs. For processes that serve no mount. */
import { access, writeFile } from 'node:fs/promises'
import { DriveError } from '../../base/index.js'
import { detach, runHelper } from './detach.js'
import { canonicalMountpoint, FILESYSTEM_TYPE, findMount, type MountEntry } from './mount-info.js'

const PROBE_TIMEOUT_MS = 3000
export const CONNECTIONS = '/sys/fs/fuse/connections'

/**
 * `dead`: every access fails with ENOTCONN. `hung`: the server did not answer a statfs within 3 s. The probe runs in a
 * child process, so that a hanging mount does not block a thread of this process.
 */
export async function probeMount(mountpoint: string): Promise<'live' | 'dead' | 'hung'> {
  const { code, output, timedOut } = await runHelper('stat', ['-f', '-c', '%T', '--', mountpoint], PROBE_TIMEOUT_MS)
  if (code === 0) return 'live'
  if (timedOut) return 'hung'
  return /Transport endpoint is not connected|Software caused connection abort/.test(output) ? 'dead' : 'live'
}

/** Whether the topmost mount on this path is a dagdrive mount whose server died. */
export async function isStale(mountpoint: string): Promise<boolean> {
  const entry = await ownMount(mountpoint)
  return entry !== undefined && (await probeMount(entry.mountpoint)) === 'dead'
}

/**
 * Detaches every dead dagdrive mount on this path.
 * @returns their number
 */
export async function clearStale(mountpoint: string): Promise<number> {
  const MAX_STACKED = 64
  for (let cleared = 0; cleared < MAX_STACKED; cleared++) {
    if (!(await isStale(mountpoint))) return cleared
    await detach(await canonicalMountpoint(mountpoint), true)
  }
  throw new DriveError('MOUNT_FAILED', 'Dead mounts on this path could not be detached.')
}

/**
 * Ends a dagdrive mount in any state. It aborts the connection, so that waiting programs get an error, and detaches the
 * name. Unsynced data of programs may be lost.
 * @throws NOT_MOUNTED, NOT_PERMITTED
 */
export async function forceUnmount(mountpoint: string): Promise<void> {
  const entry = await ownMount(mountpoint)
  if (entry === undefined) throw new DriveError('NOT_MOUNTED', 'No drive is mounted there.')
  await abortConnection(entry.minor)
  await detach(entry.mountpoint, true)
}

async function ownMount(mountpoint: string): Promise<MountEntry | undefined> {
  const entry = await findMount(await canonicalMountpoint(mountpoint))
  return entry?.filesystem === FILESYSTEM_TYPE ? entry : undefined
}

/** Programs that wait for the mount get an error. @throws NOT_PERMITTED */
export async function abortConnection(minor: number): Promise<void> {
  if (process.geteuid?.() === 0) await mountControlFilesystem()
  try {
    await writeFile(`${CONNECTIONS}/${minor}/abort`, '1')
  } catch (error) {
    // The connection has ended meanwhile. The name still has to be detached.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw new DriveError('NOT_PERMITTED', 'This user may not abort that mount.', { cause: error })
  }
}

/** Minimal containers have no fusectl. Mounting it twice fails and has no effect. */
async function mountControlFilesystem(): Promise<void> {
  try {
    await access(`${CONNECTIONS}`)
    const known = await findMount(CONNECTIONS)
    if (known === undefined) await runHelper('mount', ['-t', 'fusectl', 'fusectl', CONNECTIONS])
  } catch {
    // There is no FUSE module, so there is nothing to abort.
  }
}
