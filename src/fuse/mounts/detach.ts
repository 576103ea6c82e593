/** Detaches a mount, from any process. Uses umount2 if permitted, otherwise fusermount3. */
import { execFile } from 'node:child_process'
import { basename, dirname } from 'node:path'
import { DriveError } from '../../base/index.js'
import { ERRNO, errnoName } from '../protocol/errno.js'
import { loadFuseNative, MNT_DETACH, type FuseNative } from '../transports/native.js'

const UMOUNT_NOFOLLOW = 8
const HELPER_TIMEOUT_MS = 20_000

/**
 * Unmounts `mountpoint`; `lazy` detaches the name even while programs use it. Runs outside this thread.
 * @returns `busy` if programs use the mount and `lazy` is false, `absent` if nothing is mounted there
 */
export async function detach(mountpoint: string, lazy: boolean): Promise<'detached' | 'busy' | 'absent'> {
  const native = loadFuseNative()
  if (process.geteuid?.() === 0 && 'addon' in native) {
    const { result } = await unmountAt(native.addon, mountpoint, lazy ? MNT_DETACH : 0)
    if (result === 0) return 'detached'
    if (result === -ERRNO.EBUSY) return 'busy'
    if (result === -ERRNO.EINVAL || result === -ERRNO.ENOENT) return 'absent'
    throw failed(errnoName(-result))
  }
  return detachWithHelper(mountpoint, lazy)
}

/**
 * Unmounts through the opened parent directory, without following links. A mount that others moved to the path
 * meanwhile stays.
 */
async function unmountAt(addon: FuseNative, mountpoint: string, flags: number): Promise<{ readonly result: number }> {
  if (addon.openDirectory === undefined) return addon.umount(mountpoint, flags | UMOUNT_NOFOLLOW)
  const { result: parent } = await addon.openDirectory(dirname(mountpoint))
  if (parent < 0) return { result: -ERRNO.ENOENT }
  try {
    return await addon.umount(`/proc/self/fd/${parent}/${basename(mountpoint)}`, flags | UMOUNT_NOFOLLOW)
  } finally {
    addon.closeDescriptor?.(parent)
  }
}

async function detachWithHelper(mountpoint: string, lazy: boolean): Promise<'detached' | 'busy' | 'absent'> {
  const asRoot = process.geteuid?.() === 0
  const [command, args] = asRoot
    ? (['umount', [...(lazy ? ['-l'] : []), '--', mountpoint]] as const)
    : (['fusermount3', [lazy ? '-uz' : '-u', '--', mountpoint]] as const)
  const { code, output } = await runHelper(command, args)
  if (code === 0) return 'detached'
  if (/busy/i.test(output)) return 'busy'
  if (/not (mounted|found in)|no mount point/i.test(output)) return 'absent'
  throw failed(output.trim().split('\n')[0] ?? command)
}

function failed(why: string): DriveError {
  return new DriveError('BUSY', `The drive could not be unmounted: ${why}`)
}

/** Runs a helper program; never rejects. The code is -1 if the program cannot start or takes too long. */
export function runHelper(
  command: string,
  args: readonly string[],
  timeoutMs = HELPER_TIMEOUT_MS,
): Promise<{ code: number; output: string; timedOut: boolean }> {
  return new Promise((resolve) => {
    const environment = { ...process.env, LC_ALL: 'C' }
    execFile(
      command,
      [...args],
      { timeout: timeoutMs, killSignal: 'SIGKILL', env: environment },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
        const output = `${stdout}${stderr}${code === -1 ? (error?.message ?? '') : ''}`
        resolve({ code, output, timedOut: error?.killed === true })
      },
    )
  })
}
