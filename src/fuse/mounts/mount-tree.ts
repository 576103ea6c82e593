/** Serves a tree at a mountpoint: checks the directory, selects the transport, mounts. */
import { readlink } from 'node:fs/promises'
import { DriveError, silentLog, type Log } from '../../base/index.js'
import type { Tree } from '../../vfs/index.js'
import type { FuseMount, FuseTransport, LivingMount, MountOptions } from '../contract.js'
import { detach } from './detach.js'
import { mounts } from './mount-info.js'
import { isMoved, openPlace, type MountPlace } from './place.js'
import { markUncommitted } from '../holder/replay.js'
import { createNativeTransport, mapState } from '../transports/native-transport.js'
import { fuseNativeTransport, hasFuseNative } from '../transports/fuse-native-transport.js'
import { channelMode, loadFuseNative } from '../transports/native.js'

export interface MountTreeRequest {
  readonly tree: Tree
  /** A directory; a dead dagdrive mount on it is detached first. */
  readonly mountpoint: string
  readonly options?: MountOptions
  readonly log?: Log
}

/**
 * Mounts and serves `tree` from this thread. Resolves when the mount answers. The calling thread must not use
 * synchronous fs calls on paths in the mount: they would wait for this thread itself.
 * @throws MOUNT_FAILED, BUSY (a live mount is there), NOT_EMPTY, NOT_FOUND, NOT_A_DIRECTORY
 */
export async function mountTree(request: MountTreeRequest): Promise<FuseMount> {
  const options = request.options ?? {}
  const log = request.log ?? silentLog
  const transport = chooseTransport(log)
  const { over = false, again = false, exact = false } = options
  const place = await openPlace(
    request.mountpoint,
    { over, again, exact, canReplace: transport.takeOver !== undefined },
    log,
  )
  try {
    const mount = await transport.serve(request.tree, place, options, log)
    if (!over) await refuseStack(mount, place)
    const bareMode = options.guards === true ? await place.guard() : undefined
    return { ...mount, beneath: place.beneath, bareMode }
  } finally {
    await place.close()
  }
}

export interface TakeOverRequest {
  readonly tree: Tree
  readonly living: LivingMount
  readonly options?: MountOptions
  readonly log?: Log
}

/**
 * Runs before the tree of a mount that is taken over makes its first commit.
 * @param durable the newest durable commit of the previous daemon
 */
export function prepareTakeOver(sharedMemory: number, durable: number): void {
  const native = loadFuseNative()
  const state = 'addon' in native ? mapState(native.addon, sharedMemory) : undefined
  if (state !== undefined) markUncommitted(state, durable)
}

/**
 * Serves a mount whose server died, from this thread, like `mountTree`.
 * @throws MOUNT_FAILED; the caller then owns the channel
 */
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

/** Two processes may have found the directory free at the same moment. The later one unmounts again. */
async function refuseStack(mount: FuseMount, place: MountPlace): Promise<void> {
  const there = (await mounts()).filter(({ mountpoint }) => mountpoint === mount.mountpoint)
  if (there.length > 1) {
    await detach(mount.mountpoint, true)
    throw new DriveError('BUSY', 'Another mount was made there at the same time.')
  }
  if (!(await isMoved(place))) return
  await detach(await readlink(place.target), true)
  throw new DriveError('BUSY', 'The directory was moved while the drive was being mounted on it.')
}

/**
 * The native addon. fuse-native is used if it is installed and the addon cannot be loaded, or if
 * `DAGDRIVE_FUSE_TRANSPORT=fuse-native` selects it.
 */
function chooseTransport(log: Log): FuseTransport {
  const forced = process.env['DAGDRIVE_FUSE_TRANSPORT'] === 'fuse-native'
  const native = forced ? { reason: 'fuse-native was selected' } : loadFuseNative()
  if ('addon' in native) return createNativeTransport(native.addon, channelMode(native.addon, process.env))
  if (hasFuseNative()) {
    log.warn('the drive is mounted with fuse-native, which is slower and has fewer features', { reason: native.reason })
    return fuseNativeTransport
  }
  throw new DriveError(
    'MOUNT_FAILED',
    'The native FUSE addon is missing: run `npm run build:native`, or install the package fuse-native.',
    {
      about: { reason: native.reason },
    },
  )
}
