/**
 * The places of a drive's files on this machine. Makes their directories. Other modules own the content of the files.
 * `DAGDRIVE_HOME` selects one directory for everything; otherwise the XDG folders are used.
 */
import { chmod, stat } from 'node:fs/promises'
import { homedir, userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import { diskFailure, DriveError } from '../base/index.js'
import { makeDirectories } from './make-directories.js'

/** Absolute paths; every directory is the user's alone (0700), every file 0600. */
export interface DrivePaths {
  /** Directories to make, parents first. */
  readonly directories: readonly string[]
  readonly configFile: string
  /** Holds the drive's root key, sealed by a passphrase or by file mode alone. If it exists, this home has a drive. */
  readonly keyFile: string
  /** Exists once the drive has been published; see published-mark.ts. */
  readonly publishedFile: string
  /** The node's RPC credential. */
  readonly nodeKeyFile: string
  /** Metadata, sealed blocks and the upload queue; may hold the only copy of unpublished data. */
  readonly dataDirectory: string
  /** The embedded node: one more copy of everything published, on this machine. */
  readonly embeddedNodeDirectory: string
  /** Mounts to restore after a crash. */
  readonly mountsFile: string
  /** Whether the log of a mount has operations that are not on disk; see log-mark.ts. */
  readonly logMarkFile: string
  /** Record of losses for the user; see losses.ts. */
  readonly lossesFile: string
  readonly lockFile: string
  readonly socket: string
  /** Where the holder of this home's mount answers (native/holder.c). */
  readonly holderSocket: string
  readonly logFile: string
}

export type EnvironmentVariables = Readonly<Record<string, string | undefined>>

/**
 * The paths that the environment selects. Touches no disk. USAGE when neither the environment nor the system names a
 * home directory.
 */
export function drivePaths(environment: EnvironmentVariables = process.env, userHome?: string): DrivePaths {
  const selected = environment['DAGDRIVE_HOME']
  if (selected !== undefined && selected !== '') {
    const home = resolve(selected)
    return layout({ config: home, data: home, state: home, run: home })
  }
  const folder = (variable: string, ...fallback: string[]): string => {
    const value = environment[variable]
    // The XDG base directory specification: relative paths are to be ignored.
    return join(value?.startsWith('/') ? value : join(userHome ?? homeOfUser(), ...fallback), 'dagdrive')
  }
  const state = folder('XDG_STATE_HOME', '.local', 'state')
  const runtime = environment['XDG_RUNTIME_DIR']
  return layout({
    config: folder('XDG_CONFIG_HOME', '.config'),
    data: folder('XDG_DATA_HOME', '.local', 'share'),
    state,
    run: runtime?.startsWith('/') ? join(runtime, 'dagdrive') : join(state, 'run'),
  })
}

/**
 * HOME, or the home directory in the system's list of users where HOME is empty. Relative paths are refused: they would
 * depend on the caller's directory.
 */
function homeOfUser(): string {
  try {
    const home = homedir()
    return home.startsWith('/') ? home : userInfo().homedir
  } catch (cause) {
    throw new DriveError(
      'USAGE',
      'This user has no home directory: set DAGDRIVE_HOME to an absolute path where the drive may keep its files.',
      { cause },
    )
  }
}

function layout(base: { config: string; data: string; state: string; run: string }): DrivePaths {
  return {
    directories: [...new Set([base.config, base.data, base.state, base.run])],
    configFile: join(base.config, 'config.json'),
    keyFile: join(base.config, 'drive.key'),
    publishedFile: join(base.config, 'published'),
    nodeKeyFile: join(base.config, 'node.key'),
    dataDirectory: join(base.data, 'data'),
    embeddedNodeDirectory: join(base.data, 'node'),
    mountsFile: join(base.state, 'mounts.json'),
    logMarkFile: join(base.state, 'log-mark.json'),
    lossesFile: join(base.state, 'losses.json'),
    // Beside the data it guards, not in the runtime folder: two sessions may have different runtime folders.
    lockFile: join(base.data, 'daemon.lock'),
    socket: join(base.run, 'control.sock'),
    // Beside the lock, for the same reason.
    holderSocket: join(base.data, 'holder.sock'),
    logFile: join(base.state, 'daemon.log'),
  }
}

/**
 * Makes the directories with mode 0700, and restricts existing ones to it. NOT_PERMITTED when one belongs to somebody
 * else; INVALID when something else is in the way.
 */
export async function preparePaths(paths: DrivePaths): Promise<void> {
  for (const directory of paths.directories) {
    await makeDirectories(directory, 0o700).catch((error: unknown) => {
      throw (
        diskFailure(error) ??
        new DriveError('INVALID', `The directory ${directory} could not be made.`, { cause: error })
      )
    })
    const found = await stat(directory)
    const user = process.getuid?.()
    if (user !== undefined && found.uid !== user) {
      throw new DriveError('NOT_PERMITTED', `${directory} belongs to another user; choose another DAGDRIVE_HOME.`)
    }
    if ((found.mode & 0o077) !== 0) await chmod(directory, 0o700)
  }
}
