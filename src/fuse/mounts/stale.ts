/** Finding and clearing mounts whose server is dead or hangs. Usable from processes that serve nothing. */
import { access, writeFile } from 'node:fs/promises'
import { DriveError } from '../../base/index.js'
import { detach, runHelper } from './detach.js'
import { canonicalMountpoint, FILESYSTEM_TYPE, findMount, type MountEntry } from './mount-info.js'

const PROBE_TIMEOUT_MS = 3000
const CONNECTIONS = '/sys/fs/fuse/connections'

/**
 * `dead`: every access fails with ENOTCONN. `hung`: the server did not answer a statfs within 3 s.
 * The probe runs in a child process, so that a hanging mount never holds one of our threads.
 */
export async function probeMount(mountpoint: string): Promise<'live' | 'dead' | 'hung'> {
  const { code, output, timedOut } = await runHelper('stat', ['-f', '-c', '%T', '--', mountpoint], PROBE_TIMEOUT_MS)
  if (code === 0) return 'live'
  if (timedOut) return 'hung'
  return /Transport endpoint is not connected|Software caused connection abort/.test(output) ? 'dead' : 'live'
}

/** True when a dagdrive mount is on this path whose server has died. */
export async function isStale(mountpoint: string): Promise<boolean> {
  const entry = await ownMount(mountpoint)
  return entry !== undefined && (await probeMount(entry.mountpoint)) === 'dead'
}

/** Detaches every dead dagdrive mount stacked on this path. @returns how many there were */
export async function clearStale(mountpoint: string): Promise<number> {
  const MAX_STACKED = 64
  for (let cleared = 0; cleared < MAX_STACKED; cleared++) {
    if (!(await isStale(mountpoint))) return cleared
    await detach(await canonicalMountpoint(mountpoint), true)
  }
  throw new DriveError('MOUNT_FAILED', 'Dead mounts on this path could not be detached.')
}

/**
 * Ends a dagdrive mount whatever state it is in: aborts its connection, so that programs waiting for it get an error,
 * then detaches the name. Data programs wrote but did not sync may be lost. Fails with NOT_MOUNTED, NOT_PERMITTED.
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

async function abortConnection(minor: number): Promise<void> {
  if (process.geteuid?.() === 0) await mountControlFilesystem()
  try {
    await writeFile(`${CONNECTIONS}/${minor}/abort`, '1')
  } catch (error) {
    // Gone: another connection end was faster. Detaching still is our task.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw new DriveError('NOT_PERMITTED', 'This user may not abort that mount.', { cause: error })
  }
}

/** Minimal containers have no fusectl; mounting it twice fails and changes nothing. */
async function mountControlFilesystem(): Promise<void> {
  try {
    await access(`${CONNECTIONS}`)
    const known = await findMount(CONNECTIONS)
    if (known === undefined) await runHelper('mount', ['-t', 'fusectl', 'fusectl', CONNECTIONS])
  } catch {
    // No FUSE module, so there is nothing to abort either.
  }
}
