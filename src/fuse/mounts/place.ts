/**
 * The directory to mount on. It is opened once without following links, so the checked directory is the one mounted on,
 * even if paths are renamed meanwhile. A dead mount of a drive on it is replaced.
 */
import { chmod, readdir, readlink, stat } from 'node:fs/promises'
import { DriveError, type Log } from '../../base/index.js'
import { ERRNO, errnoName } from '../protocol/errno.js'
import { loadFuseNative, type FuseNative } from '../transports/native.js'
import { canonicalMountpoint, FILESYSTEM_TYPE, findMount, mounts } from './mount-info.js'
import { clearStale, isStale } from './stale.js'

export interface MountPlace {
  readonly mountpoint: string
  /** The path for mount(2). */
  readonly target: string
  /** A dead mount is on it. It is removed when the new one is beneath it. */
  readonly replaces: boolean
  /** Number of names in the directory beneath. */
  readonly beneath: number
  /**
   * Sets the mode of the directory so that only its owner can read it.
   * @returns its previous mode, if that changed
   */
  guard(): Promise<number | undefined>
  close(): void
}

export interface PlaceOptions {
  readonly over: boolean
  readonly again: boolean
  readonly exact: boolean
  /** Whether the transport can replace a dead mount. */
  readonly canReplace: boolean
}

const READ_BY_OWNER = 0o500
const WRITTEN_BY_OWNER = 0o700

/** @throws NOT_FOUND, NOT_A_DIRECTORY, NOT_EMPTY, BUSY */
export async function openPlace(path: string, options: PlaceOptions, log: Log): Promise<MountPlace> {
  const mountpoint = options.exact ? path : await placeOf(path)
  const native = loadFuseNative()
  const addon = 'addon' in native ? native.addon : undefined
  const replaces =
    options.canReplace &&
    process.geteuid?.() === 0 &&
    addon?.openBeneath !== undefined &&
    (await isDeadAlone(mountpoint))
  if (!replaces) {
    const cleared = await clearStale(mountpoint)
    if (cleared > 0) log.info('detached a dead mount of an earlier run', { count: cleared })
  }
  if (options.over) return { ...inert, mountpoint, target: mountpoint }
  const there = replaces ? undefined : await findMount(mountpoint)
  if (there !== undefined) {
    const what = there.filesystem === FILESYSTEM_TYPE ? 'A drive' : 'Another filesystem'
    throw new DriveError('BUSY', `${what} is already mounted there.`)
  }
  const directory = await openDirectory(addon, mountpoint, replaces)
  const through = directory === undefined ? mountpoint : `/proc/self/fd/${directory}`
  const end = (): void => {
    if (directory !== undefined) addon?.closeDescriptor?.(directory)
  }
  try {
    if (!(await stat(through)).isDirectory()) {
      throw new DriveError('NOT_A_DIRECTORY', 'The mountpoint is not a directory.')
    }
    const beneath = (await readdir(through)).length
    if (beneath > 0 && !options.again && !replaces) throw new DriveError('NOT_EMPTY', 'The mountpoint is not empty.')
    // fusermount3 requires write permission. A failure means that the directory belongs to another user.
    if (options.again && process.geteuid?.() !== 0) await chmod(through, WRITTEN_BY_OWNER).catch(() => undefined)
    const target = replaces ? mountpoint : through
    return { mountpoint, target, replaces, beneath, guard: () => guard(through), close: end }
  } catch (error) {
    end()
    throw error
  }
}

async function isDeadAlone(mountpoint: string): Promise<boolean> {
  const stacked = (await mounts()).filter((mount) => mount.mountpoint === mountpoint)
  return stacked.length === 1 && (await isStale(mountpoint))
}

const inert = { replaces: false, beneath: 0, guard: () => Promise.resolve(undefined), close: () => undefined }

/** Undefined if the addon does not support it. With `beneath`, opens the directory below any mount on it. */
async function openDirectory(
  addon: FuseNative | undefined,
  path: string,
  beneath: boolean,
): Promise<number | undefined> {
  if (addon?.openDirectory === undefined || addon.openBeneath === undefined) return undefined
  const { result } = await (beneath ? addon.openBeneath(path) : addon.openDirectory(path))
  if (result >= 0) return result
  if (result === -ERRNO.ENOENT) throw new DriveError('NOT_FOUND', 'The mountpoint does not exist.')
  throw new DriveError('NOT_A_DIRECTORY', `The mountpoint is not a directory: ${errnoName(-result)}`)
}

async function guard(through: string): Promise<number | undefined> {
  if (!through.startsWith('/proc/')) return undefined
  const mode = (await stat(through)).mode & 0o7777
  if (mode === READ_BY_OWNER) return undefined
  try {
    await chmod(through, READ_BY_OWNER)
  } catch {
    // The directory belongs to another user, who manages its mode.
    return undefined
  }
  return mode
}

/** Whether the directory was moved between its check and the mount, so that the mount is not at the requested path. */
export async function isMoved({ target, mountpoint, replaces }: MountPlace): Promise<boolean> {
  if (replaces || target === mountpoint) return false
  return (await readlink(target).catch(() => '')) !== mountpoint
}

async function placeOf(path: string): Promise<string> {
  try {
    return await canonicalMountpoint(path)
  } catch (error) {
    throw new DriveError('NOT_FOUND', 'The mountpoint does not exist.', { cause: error })
  }
}
