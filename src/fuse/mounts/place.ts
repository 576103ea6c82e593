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
   * @returns the mode it had before the mount, if that was another one
   */
  guard(): Promise<number | undefined>
  /** Without a guard, the directory gets the mode back that it had. */
  close(): Promise<void>
}

export interface PlaceOptions {
  readonly over: boolean
  readonly again: boolean
  readonly exact: boolean
  /** Whether the transport can replace a dead mount. */
  readonly canReplace: boolean
}

const READ_BY_OWNER = 0o500
const WRITE_BY_OWNER = 0o200
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
  if (!replaces) await requireNoMount(mountpoint)
  const directory = await openDirectory(addon, mountpoint, replaces)
  const through = directory === undefined ? mountpoint : `/proc/self/fd/${directory}`
  const mode = new PlaceMode(through)
  const close = async (): Promise<void> => {
    await mode.restore()
    if (directory !== undefined) addon?.closeDescriptor?.(directory)
  }
  try {
    const found = await stat(through)
    if (!found.isDirectory()) throw new DriveError('NOT_A_DIRECTORY', 'The mountpoint is not a directory.')
    const beneath = (await readdir(through)).length
    if (beneath > 0 && !options.again && !replaces) throw notEmpty(mountpoint)
    // fusermount3 requires write permission.
    if (process.geteuid?.() !== 0) await mode.widen(found.mode & 0o7777)
    const target = replaces ? mountpoint : through
    return { mountpoint, target, replaces, beneath, guard: () => mode.guard(), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** @throws BUSY if something is mounted there */
export async function requireNoMount(mountpoint: string): Promise<void> {
  const there = await findMount(mountpoint)
  if (there === undefined) return
  const what = there.filesystem === FILESYSTEM_TYPE ? 'Another drive' : 'Another filesystem'
  throw new DriveError('BUSY', `${what} is already mounted at ${mountpoint}. Unmount it, or name another directory.`)
}

/** The error for a directory with files. The command line adds what to do with them: it knows its options. */
export function notEmpty(directory: string): DriveError {
  return new DriveError('NOT_EMPTY', `${directory} is not empty; the mount would hide its content.`)
}

async function isDeadAlone(mountpoint: string): Promise<boolean> {
  const stacked = (await mounts()).filter((mount) => mount.mountpoint === mountpoint)
  return stacked.length === 1 && (await isStale(mountpoint))
}

const nothing = (): Promise<undefined> => Promise.resolve(undefined)
const inert = { replaces: false, beneath: 0, guard: nothing, close: nothing }

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

/** The mode of the directory beneath. Changed only through a descriptor: the path soon leads to the mount. */
class PlaceMode {
  /** The mode before it was widened. */
  #narrow: number | undefined

  constructor(private readonly through: string) {}

  async widen(mode: number): Promise<void> {
    if ((mode & WRITE_BY_OWNER) !== 0) return
    if (await this.#change(WRITTEN_BY_OWNER)) this.#narrow = mode
  }

  async guard(): Promise<number | undefined> {
    const now = (await stat(this.through)).mode & 0o7777
    if (now !== READ_BY_OWNER && !(await this.#change(READ_BY_OWNER))) return undefined
    const before = this.#narrow ?? now
    this.#narrow = undefined
    return before === READ_BY_OWNER ? undefined : before
  }

  async restore(): Promise<void> {
    if (this.#narrow !== undefined) await this.#change(this.#narrow)
  }

  /** @returns false if the directory belongs to another user, who manages its mode */
  async #change(mode: number): Promise<boolean> {
    if (!this.through.startsWith('/proc/')) return false
    return chmod(this.through, mode).then(
      () => true,
      () => false,
    )
  }
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
