/**
 * One open drive on the main thread: the drive thread, the node and sync, wired; its mounts and their record.
 * Control (who may ask what, when the daemon ends) is elsewhere.
 */
import { join } from 'node:path'
import type { MountReport, MountRequest } from '../api/index.js'
import type { DriveError } from '../base/index.js'
import { systemClock, systemRandom, type DriveConfig, type DrivePaths, type Log } from '../base/index.js'
import { createRecordSealer, deriveDriveKeys, type RootKey } from '../crypto/index.js'
import type { IpfsNode } from '../node/index.js'
import { createCore } from '../pipeline/index.js'
import { openEnvironment, openEnvironmentReader, type DriveCounts } from '../store/index.js'
import { inodeOf, openSync, type OpenedDrive, type Sync } from '../sync/index.js'
import { startDriveWorker } from './drive-worker.js'
import { createMounts } from './mounts.js'

export interface OpenDriveOptions {
  readonly paths: DrivePaths
  /** Read after `findStart`, which may have taken a device slot. */
  readonly config: () => Promise<DriveConfig>
  readonly cacheBytes: number
  readonly rootKey: RootKey
  /** Owned by the drive from here on. */
  readonly node: IpfsNode
  /** Asked when there is no local tree yet: the published drive to begin with, or undefined for an empty one. */
  readonly findStart: () => Promise<OpenedDrive | undefined>
  readonly log: Log
  /** The drive thread died; everything but `close` fails from now on. */
  readonly onDeath: (reason: DriveError) => void
  readonly onMountsChanged: () => void
}

export interface Drive {
  readonly node: IpfsNode
  readonly sync: Sync
  readonly mounts: readonly MountReport[]
  counts(): Promise<DriveCounts>
  /** Everything `staged`. */
  flush(): Promise<void>
  /** Resolves when the mount answers. */
  mount(request: MountRequest): Promise<MountReport>
  /** BUSY while programs use it, unless `lazy` or `force`. `force` aborts the kernel connection. */
  unmount(mountpoint: string, options: { lazy?: boolean; force?: boolean }): Promise<void>
  waitUnmounted(directory: string, signal: AbortSignal): Promise<void>
  /** Everything `staged`, every mount detached, all closed. Nothing waits for the node. */
  close(rememberMounts: boolean): Promise<void>
}

export async function openDrive(options: OpenDriveOptions): Promise<Drive> {
  const { paths, rootKey, node, log } = options
  const keys = deriveDriveKeys(rootKey)
  let remember = false
  const closers: (() => Promise<void>)[] = [() => node.close()]
  const closeAll = async (): Promise<void> => {
    let failure: Error | undefined
    for (const close of closers.reverse().splice(0)) {
      await close().catch((error: unknown) => {
        failure ??= error instanceof Error ? error : new Error(String(error))
        log.error('a part of the drive did not close cleanly', { error: failure.message })
      })
    }
    if (failure !== undefined) throw failure
  }
  try {
    const worker = startDriveWorker({
      dataDirectory: paths.dataDirectory,
      rootKey,
      cacheBytes: options.cacheBytes,
      log,
      onMountEnded: (mountpoint, end) => mounts.ended(mountpoint, end),
    })
    const mounts = createMounts({ worker, paths, log, onChanged: options.onMountsChanged })
    closers.push(() => worker.close())
    worker.onDeath(options.onDeath)
    const fresh = await worker.thread.isFresh()
    const start = fresh ? await options.findStart() : undefined
    const config = await options.config()
    await worker.thread.open({ root: start === undefined ? undefined : inodeOf(start.root) })
    const sealer = createRecordSealer(keys.localKey, systemRandom)
    const meta = openEnvironmentReader(join(paths.dataDirectory, 'meta'), sealer)
    closers.push(() => meta.close())
    const queue = openEnvironment({ path: join(paths.dataDirectory, 'queue'), sealer, log })
    closers.push(() => queue.close())
    const sync = await openSync({
      port: worker.thread,
      meta,
      queue,
      node,
      keys,
      deviceSlot: config.deviceSlot,
      deviceName: config.deviceName,
      core: createCore(),
      clock: systemClock,
      random: systemRandom,
      log,
      ...(start === undefined ? {} : { start }),
      settings: { debounceMs: config.debounceMs },
    })
    closers.push(() => sync.close())
    worker.setRemote(sync.remote)
    closers.push(() => mounts.detachAll(remember))
    return {
      node,
      sync,
      get mounts() {
        return mounts.list
      },
      counts: () => worker.thread.counts(),
      flush: () => worker.thread.flush(),
      mount: (request) => mounts.mount(request),
      unmount: (mountpoint, how) => mounts.unmount(mountpoint, how),
      waitUnmounted: (directory, signal) => mounts.waitUnmounted(directory, signal),
      close: (rememberMounts) => {
        remember = rememberMounts
        return closeAll()
      },
    }
  } catch (error) {
    await closeAll().catch(() => {
      // The first failure is the one to report; this one is in the log.
    })
    throw error
  }
}
