/** Unmounts from the serving process: flushes, detaches, waits for the kernel, and makes the tree durable. */
import { existsSync } from 'node:fs'
import { DriveError, sleep } from '../../base/index.js'
import type { Tree } from '../../vfs/index.js'
import type { MountEnd, UnmountOptions } from '../contract.js'
import { connectionUsers, isCopied } from './connection-users.js'
import { detach } from './detach.js'
import { findMount, mounts } from './mount-info.js'
import { abortConnection, CONNECTIONS } from './stale.js'
import { syncMount } from './sync-mount.js'
import type { FuseNative } from '../transports/native.js'

/** Time for the kernel to end a connection whose name is detached. */
const GRACE_MS = 2000
const MOMENTS_MS = [50, 100, 200, 400]

export interface ServedMount {
  readonly ended: Promise<MountEnd>
  readonly hasEnded: () => boolean
  readonly hasOpenFiles?: () => boolean
  /** Whether other users may use it. */
  readonly isShared?: boolean
  /** Called before the connection is aborted. */
  readonly noteDetached?: () => void
  /** See `FuseMount.writeBack`. */
  readonly writeBack?: () => Promise<void>
}

/** @param minor the number of the connection, so that a mount on top of it is not unmounted */
export async function unmountServed(
  addon: Pick<FuseNative, 'syncfs'>,
  tree: Tree,
  { mountpoint, minor }: { readonly mountpoint: string; readonly minor: number | undefined },
  served: ServedMount,
  how: UnmountOptions,
): Promise<void> {
  const lazy = how.lazy === true
  if (served.hasEnded()) return void (await served.ended)
  const top = await findMount(mountpoint)
  if (top !== undefined && minor !== undefined && top.minor !== minor) {
    throw new DriveError('BUSY', 'Another filesystem is mounted over the drive.')
  }
  // A parent directory may have been renamed. Then the old path belongs to another mount.
  const there = top ?? (await mounts()).find((mount) => minor !== undefined && mount.minor === minor)
  if (there !== undefined) await syncMount(addon, there.mountpoint)
  if (!lazy && (await isUsedElsewhere(minor, served))) throw new DriveError('BUSY', 'Programs still use the drive.')
  const outcome = there === undefined ? 'absent' : await detachPatiently(there.mountpoint, lazy)
  if (there !== undefined && outcome === 'busy') {
    if (!lazy) throw new DriveError('BUSY', 'Programs still use the drive.')
    await detach(there.mountpoint, true)
  } else if (outcome === 'detached' && !isConnected(minor)) await served.ended
  // Programs may still be served inside a mount of this connection that was detached before.
  else if (!lazy) await endUnused(minor, served)
  // The server may end before them.
  if (lazy && !served.hasEnded()) await served.writeBack?.()
  await tree.syncAll({ uid: 0, gid: 0, pid: 0, signal: new AbortController().signal })
}

/** Whether some mount of the connection is left. False also where the system does not show connections. */
function isConnected(minor: number | undefined): boolean {
  return minor !== undefined && existsSync(`${CONNECTIONS}/${minor}`)
}

/** Programs that only look, such as `df` or a search for open files, hold a mount for a moment. */
async function detachPatiently(mountpoint: string, lazy: boolean): ReturnType<typeof detach> {
  for (const wait of lazy ? [] : MOMENTS_MS) {
    const outcome = await detach(mountpoint, false)
    if (outcome !== 'busy') return outcome
    await sleep(wait)
  }
  return detach(mountpoint, false)
}

/** Whether programs use a copy of the mount in another mount namespace, which does not make the mount here busy. */
async function isUsedElsewhere(minor: number | undefined, served: ServedMount): Promise<boolean> {
  return minor !== undefined && (await isCopied(minor)) && (await isUsed(minor, served))
}

async function isUsed(minor: number, served: ServedMount): Promise<boolean> {
  return (await hasOpenFiles(served)) || (await connectionUsers(minor)).length > 0
}

/** Whatever holds a file open, even a loop device or a message under way. Closed files are reported a moment later. */
async function hasOpenFiles(served: ServedMount): Promise<boolean> {
  for (const wait of MOMENTS_MS) {
    if (served.hasOpenFiles?.() !== true) return false
    await sleep(wait)
  }
  return served.hasOpenFiles?.() === true
}

/**
 * Waits for the end of a connection whose mount here is detached. A copy in another mount namespace keeps it alive,
 * even a namespace without processes. If nobody uses it, it is ended here.
 */
async function endUnused(minor: number | undefined, served: ServedMount): Promise<void> {
  // Only root sees the programs of all users. On a mount that is not shared there are none.
  const seesAll = process.geteuid?.() === 0 || served.isShared === false
  if (minor !== undefined && (seesAll || (await isCopied(minor))) && !(await isUsed(minor, served))) {
    await served.writeBack?.()
    served.noteDetached?.()
    await abortConnection(minor)
  }
  await endSoon(served.ended)
}

async function endSoon(ended: Promise<MountEnd>): Promise<void> {
  const timer = new AbortController()
  const late = sleep(GRACE_MS, timer.signal).then(
    () => true,
    () => true,
  )
  const stillServed = await Promise.race([ended.then(() => false), late])
  timer.abort()
  if (stillServed) throw new DriveError('BUSY', 'Programs still use the drive.')
}
