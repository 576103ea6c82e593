/** Serving a tree at a mountpoint: checks the place, chooses the transport, mounts. */
import { readdir, stat } from 'node:fs/promises'
import { DriveError, silentLog, type Log } from '../../base/index.js'
import type { Tree } from '../../vfs/index.js'
import type { FuseMount, FuseTransport, LivingMount, MountOptions } from '../contract.js'
import { detach } from './detach.js'
import { canonicalMountpoint, FILESYSTEM_TYPE, findMount, mounts } from './mount-info.js'
import { markUndone } from '../holder/replay.js'
import { createNativeTransport, mapState } from '../transports/native-transport.js'
import { fuseNativeTransport, hasFuseNative } from '../transports/fuse-native-transport.js'
import { channelMode, loadFuseNative } from '../transports/native.js'
import { clearStale } from './stale.js'

export interface MountTreeRequest {
  readonly tree: Tree
  /** A directory; a dead dagdrive mount on it is detached first. */
  readonly mountpoint: string
  readonly options?: MountOptions
  readonly log?: Log
}

/**
 * Mounts and serves `tree` from this thread. Resolves when the mount answers.
 * The calling thread must not use synchronous fs calls on paths in the mount as long as it lives: nobody would answer.
 * Fails with MOUNT_FAILED, BUSY (a live mount is there), NOT_EMPTY, NOT_FOUND, NOT_A_DIRECTORY.
 */
export async function mountTree(request: MountTreeRequest): Promise<FuseMount> {
  const options = request.options ?? {}
  const log = request.log ?? silentLog
  const transport = chooseTransport(log)
  const mountpoint = await prepareMountpoint(request.mountpoint, options.over === true, log)
  const mount = await transport.serve(request.tree, mountpoint, options, log)
  if (options.over !== true) await refuseStack(mount)
  return mount
}

export interface TakeOverRequest {
  readonly tree: Tree
  readonly living: LivingMount
  readonly options?: MountOptions
  readonly log?: Log
}

/** Before the tree of a mount that lives on makes its first commit. @param durable the newest commit of the daemon before */
export function prepareTakeOver(sharedMemory: number, durable: number): void {
  const native = loadFuseNative()
  const state = 'addon' in native ? mapState(native.addon, sharedMemory) : undefined
  if (state !== undefined) markUndone(state, durable)
}

/** Serves a mount whose server died, from this thread, as `mountTree` does. Fails with MOUNT_FAILED; the channel is the caller's then. */
export async function takeOverTree({
  tree,
  living,
  options = {},
  log = silentLog,
}: TakeOverRequest): Promise<FuseMount> {
  const transport = chooseTransport(log)
  if (transport.takeOver === undefined) throw new DriveError('MOUNT_FAILED', 'The mount cannot be taken over.')
  return transport.takeOver(tree, living, options, log)
}

/** Two processes may have found the place free at the same moment; the later one steps back. */
async function refuseStack(mount: FuseMount): Promise<void> {
  const there = (await mounts()).filter(({ mountpoint }) => mountpoint === mount.mountpoint)
  if (there.length <= 1) return
  await detach(mount.mountpoint, true)
  throw new DriveError('BUSY', 'Another mount was made there at the same time.')
}

/** Our own addon; fuse-native only where it cannot be loaded, or when `DAGDRIVE_FUSE_TRANSPORT=fuse-native` forces it. */
function chooseTransport(log: Log): FuseTransport {
  const forced = process.env['DAGDRIVE_FUSE_TRANSPORT'] === 'fuse-native'
  const native = forced ? { reason: 'fuse-native was asked for' } : loadFuseNative()
  if ('addon' in native) return createNativeTransport(native.addon, channelMode(native.addon, process.env))
  if (hasFuseNative()) {
    log.warn('the drive is mounted with fuse-native, which is slower and can do less', { reason: native.reason })
    return fuseNativeTransport
  }
  throw new DriveError('MOUNT_FAILED', 'The native FUSE addon is missing: run `npm run build:native`.', {
    about: { reason: native.reason },
  })
}

async function prepareMountpoint(path: string, over: boolean, log: Log): Promise<string> {
  const mountpoint = await placeOf(path)
  const cleared = await clearStale(mountpoint)
  if (cleared > 0) log.info('detached a dead mount of an earlier run', { count: cleared })
  if (over) return mountpoint
  const there = await findMount(mountpoint)
  if (there !== undefined) {
    const what = there.filesystem === FILESYSTEM_TYPE ? 'A drive' : 'Another filesystem'
    throw new DriveError('BUSY', `${what} is already mounted there.`)
  }
  if (!(await stat(mountpoint)).isDirectory()) {
    throw new DriveError('NOT_A_DIRECTORY', 'The mountpoint is not a directory.')
  }
  if ((await readdir(mountpoint)).length > 0) throw new DriveError('NOT_EMPTY', 'The mountpoint is not empty.')
  return mountpoint
}

async function placeOf(path: string): Promise<string> {
  try {
    return await canonicalMountpoint(path)
  } catch (error) {
    throw new DriveError('NOT_FOUND', 'The mountpoint does not exist.', { cause: error })
  }
}
