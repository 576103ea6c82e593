/** Directories for mounts: resolved without accessing a mount, created if missing, and checked. */
import { readdir, readlink, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { getSystemErrorMap } from 'node:util'
import { DriveError, diskFailure, isDriveError } from '../../base/index.js'
import { clearStale, driveAround, isStale, notEmpty, requireNoMount } from '../../fuse/index.js'
import { makeDirectories, type DrivePaths } from '../../platform/index.js'

/** Maximum number of symlinks in a row, as in Linux. */
const MAX_LINKS = 40

/**
 * Absolute and without symlinks, like the kernel's names of mounts. The path need not exist. A mount at the path is not
 * accessed.
 */
export async function resolveFully(path: string, links = 0): Promise<string> {
  if (!path.startsWith(sep)) throw new DriveError('INVALID', 'The path of a mount directory must be absolute.')
  const parent = await realpath(dirname(path)).catch(() => {
    // The parents will be created, so they cannot contain a symlink.
    return dirname(path)
  })
  const found = path === sep ? sep : join(parent, basename(path))
  const target = links < MAX_LINKS ? await readlink(found).catch(() => undefined) : undefined // not a symlink
  return target === undefined ? found : resolveFully(resolve(parent, target), links + 1)
}

/** The mode of a directory made for a mount: while nothing is mounted, nothing is saved there by mistake. */
export const GUARDED = 0o500

/**
 * Detaches a dead mount of this drive, and creates the directory if it is missing.
 * @param options `again`: after a crash; `adopt`: its files are moved into the drive. Both allow files
 * @returns the mode of the directory, unless a dead mount is on it
 * @throws NOT_EMPTY, NOT_A_DIRECTORY, ACCESS_DENIED, BUSY or INVALID if the drive cannot be mounted there
 */
export async function requireMountable(
  directory: string,
  paths: DrivePaths,
  { again = false, adopt = false }: { readonly again?: boolean; readonly adopt?: boolean },
): Promise<number | undefined> {
  for (const own of paths.directories) {
    const home = await realpath(own)
    if (within(directory, home) || within(home, directory)) {
      throw new DriveError('INVALID', `${directory} must not contain, or lie in, the drive's own files in ${home}.`)
    }
  }
  const drive = await driveAround(directory)
  if (drive !== undefined)
    throw new DriveError('INVALID', `${directory} lies in the drive that is mounted at ${drive}.`)
  // A dead mount stays until the new one replaces it.
  if (again && (await isStale(directory).catch(() => false))) return undefined
  await clearStale(directory).catch(async (error: NodeJS.ErrnoException) => {
    // The directory does not exist, so nothing is mounted on it.
    if (error.code !== 'ENOENT') throw await unusable(directory, error)
  })
  // What another home has mounted there would be taken for the content of the directory.
  if (!again) await requireNoMount(directory)
  const entries = await makeDirectories(directory, GUARDED, 0o777)
    .then(() => readdir(directory))
    .catch(async (error: unknown) => {
      // The mount died during this check, because its holder was resumed too late.
      if (again && (await isStale(directory).catch(() => false))) return []
      throw await unusable(directory, error)
    })
  if (entries.length > 0 && !again && !adopt) throw notEmpty(directory)
  return stat(directory).then(
    ({ mode }) => mode & 0o7777,
    () => undefined, // as above, the mount has died
  )
}

async function unusable(directory: string, error: unknown): Promise<DriveError> {
  if (isDriveError(error)) return error
  const { code, errno } = error as NodeJS.ErrnoException
  const disk = diskFailure(error)
  if (disk !== undefined) return disk
  if (code === 'EACCES' || code === 'EPERM')
    return new DriveError('ACCESS_DENIED', `This user may not create or access ${directory}.`, { cause: error })
  const isOther = await stat(directory).then(
    (found) => !found.isDirectory(),
    () => false, // nothing is there
  )
  if (isOther) return new DriveError('NOT_A_DIRECTORY', `${directory} is not a directory.`, { cause: error })
  const [, words = 'unknown error'] = getSystemErrorMap().get(errno ?? 0) ?? []
  const why = code === undefined ? words : `${words} (${code})`
  return new DriveError('NOT_A_DIRECTORY', `The directory ${directory} could not be created: ${why}.`, { cause: error })
}

function within(inner: string, outer: string): boolean {
  return inner === outer || inner.startsWith(outer.endsWith(sep) ? outer : outer + sep)
}
