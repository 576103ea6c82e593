/**
 * One open drive on the main thread: connects the drive thread, the node and sync, and manages the mounts and their
 * record. Requests and the daemon's exit are handled elsewhere.
 */
import { join } from 'node:path'
import type { MountReport, MountRequest } from '../../api/index.js'
import type { DriveConfig, DrivePaths } from '../../platform/index.js'
import { DriveError, systemClock, systemRandom, toWire, type Log } from '../../base/index.js'
import { deriveDriveKeys, type RootKey } from '../../crypto/index.js'
import type { Files } from '../../files/client.js'
import type { IpfsNode } from '../../node/index.js'
import { createCore } from '../../pipeline/index.js'
import { openPlacedBlocks } from '../../storage/blocks/index.js'
import { openEnvironment, openEnvironmentReader, shrinkEnvironment } from '../../storage/kv/index.js'
import { type AtRisk, type DriveCounts } from '../../tree-state/index.js'
import { finishTakeOver, inodeOf, LocalBlocks, openSync, type OpenedDrive, type Sync } from '../../sync/index.js'
import { startDriveWorker } from '../drive-thread/drive-worker.js'
import type { StartThread } from '../drive-thread/prepare-drive-thread.js'
import type { Holder } from '../mounts/contract.js'
import type { RecordedMount } from '../mounts/mount-record.js'
import { createMounts, type MountsOptions } from '../mounts/mounts.js'
import { TakingOver } from '../mounts/taking-over.js'
import { ENVIRONMENTS, endFirstOpening, homeOf, localSealer, markFirstOpening, prepareLocalData } from './local-data.js'
import { describeRefusal, describeSkipped } from './deaths.js'
import { markWhenPublished } from '../nodes/published-mark.js'
import { takeOverNewer } from '../nodes/take-over-newer.js'

export interface OpenDriveOptions {
  readonly paths: DrivePaths
  /** Read after `findStart`, which may have assigned a device slot. */
  readonly config: () => Promise<DriveConfig>
  readonly cacheBytes: number
  readonly rootKey: RootKey
  /** The drive owns it from then on. */
  readonly node: IpfsNode
  /** Called if there is no local tree yet. Returns the published drive to start from, or undefined for an empty one. */
  readonly findStart: () => Promise<OpenedDrive | undefined>
  readonly log: Log
  /** The mount it keeps is taken over. */
  readonly holder: Holder
  readonly losses: MountsOptions['losses']
  /** Called when the drive thread died. Everything except `close` fails from then on. */
  readonly onDeath: (reason: DriveError, lost: AtRisk) => void
  readonly startThread: StartThread
  readonly onMountsChanged: () => void
}

export interface Drive {
  readonly node: IpfsNode
  readonly sync: Sync
  readonly mounts: readonly MountReport[]
  /** Access by path and by file id. */
  readonly files: Files
  /** Clock.monotonicMs when the drive was opened. */
  readonly openedMs: number
  /** A mount of a killed daemon that is still being taken over. The tree must not be changed by others meanwhile. */
  readonly takingOver: TakingOver | undefined
  /** The error code if the check for a newer version failed at opening. */
  readonly newerUnknown: string | undefined
  counts(): Promise<DriveCounts>
  /** Makes everything `staged`. */
  flush(): Promise<void>
  /** Resolves when the mount answers requests. */
  mount(request: MountRequest): Promise<MountReport>
  /** Restores a mount after a crash; see Mounts. */
  remount(before: RecordedMount): Promise<{ readonly beneath: number }>
  /**
   * `force` aborts the kernel connection.
   * @throws BUSY while programs use the mount, unless `lazy` or `force`
   */
  unmount(mountpoint: string, options: { lazy?: boolean; force?: boolean }): Promise<void>
  waitUnmounted(directory: string, signal: AbortSignal): Promise<void>
  /**
   * Publishes to another node from now on and closes the previous node. The mounts stay. While the node is provisional,
   * its confirmations do not make blocks evictable, until `sync.keepNode`.
   */
  changeNode(node: IpfsNode, isProvisional: boolean): Promise<void>
  /** Makes everything `staged`, detaches every mount and closes all parts. Does not wait for the node. */
  close(rememberMounts: boolean): Promise<void>
  /** Like `close`, after the drive thread died. A mount that a holder keeps is left to the next drive thread. */
  closeDead(): Promise<void>
}

export async function openDrive(options: OpenDriveOptions): Promise<Drive> {
  const { paths, rootKey, log } = options
  const keys = deriveDriveKeys(rootKey)
  let node = options.node
  let remember = false
  const closers: (() => Promise<void>)[] = [() => node.close()]
  let takingOver: TakingOver | undefined
  try {
    const { dataDirectory } = paths
    await prepareLocalData(dataDirectory, log)
    for (const name of ENVIRONMENTS) await shrinkEnvironment(join(dataDirectory, name), { log })
    const home = await homeOf(dataDirectory, systemRandom)
    const sealer = localSealer(keys.localKey, home, 'meta', systemRandom)
    const queueSealer = localSealer(keys.localKey, home, 'queue', systemRandom)
    const queue = openEnvironment({ path: join(dataDirectory, 'queue'), sealer: queueSealer, log })
    closers.push(() => queue.close())
    const { deviceSlot } = await options.config()
    let newerUnknown: string | undefined
    const onUnknown = (code: string): void => {
      newerUnknown = code
    }
    const held = options.holder.take()
    const ongoing = held && new TakingOver(held.report.directory, log)
    takingOver = ongoing
    // Programs use the mounted tree, so it is not replaced by a newer version.
    const newer =
      held === undefined
        ? await takeOverNewer({ paths, keys, sealer, queue, node, deviceSlot, log, onUnknown })
        : undefined
    let hearing: Sync | undefined
    const worker = startDriveWorker({
      dataDirectory,
      home,
      rootKey,
      cacheBytes: options.cacheBytes,
      log,
      startThread: options.startThread,
      insist: (request) => (ongoing === undefined ? request() : ongoing.insist(request)),
      onMountEnded: (mountpoint, end) => mounts.ended(mountpoint, end),
      onRefused: (what) => void losses.note(describeRefusal(what)),
      onSkipped: (first, total) => losses.note(describeSkipped(first, total)),
      onChanged: () => hearing?.changed(),
    })
    const { holder, losses, onMountsChanged: onChanged } = options
    const mounts = createMounts({ worker, holder, losses, rootKey, paths, log, onChanged, takingOver: ongoing })
    closers.push(() => worker.close())
    const detach = (): Promise<void> => (worker.isDead ? mounts.leave() : mounts.detachAll(remember))
    worker.onDeath(options.onDeath)
    const fresh = newer === undefined && held === undefined && (await worker.thread.isFresh())
    if (fresh) await markFirstOpening(dataDirectory)
    const start = fresh ? await options.findStart() : undefined
    const config = await options.config()
    const root = newer?.version.commit.root ?? start?.root
    await worker.thread.open({ root: root && inodeOf(root), living: held })
    if (held !== undefined) {
      ongoing?.prepare(() => mounts.takeOver(held))
      remember = true
      closers.push(detach)
    }
    if (newer !== undefined) await finishTakeOver(queue)
    const meta = openEnvironmentReader(join(dataDirectory, 'meta'), sealer)
    closers.push(() => meta.close())
    const startSync = async (isProvisional: boolean, isPaused: boolean): Promise<Sync> => {
      const opened = await openSync({
        port: worker.thread,
        blocks: new LocalBlocks(worker.thread, openPlacedBlocks(dataDirectory)),
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
        isProvisional,
        isPaused,
        settings: { debounceMs: config.debounceMs, scrubBytesPerSecond: config.scrubBytesPerSecond },
      })
      worker.setRemote(opened.remote)
      markWhenPublished(opened, paths.publishedFile, log)
      hearing = opened
      return opened
    }
    let isClosed = false
    // A tree in the middle of a replay is not published. The replay may need what sync reads from the node.
    let current = await startSync(false, held !== undefined)
    closers.push(() => current.close())
    if (fresh) await endFirstOpening(dataDirectory)
    closers.push(detach)
    // Commands have to answer however long it takes.
    await ongoing?.begin()
    void ongoing?.over.then(() => current.resume())
    remember = false
    return {
      get node() {
        return node
      },
      get sync() {
        return current
      },
      get mounts() {
        return mounts.list
      },
      files: worker.files,
      openedMs: systemClock.monotonicMs(),
      get takingOver() {
        return ongoing?.isOver === false ? ongoing : undefined
      },
      newerUnknown,
      counts: () => worker.thread.counts(),
      flush: () => worker.thread.flush(),
      mount: (request) => mounts.mount(request),
      remount: (before) => mounts.remount(before),
      unmount: (mountpoint, how) => mounts.unmount(mountpoint, how),
      waitUnmounted: (directory, signal) => mounts.waitUnmounted(directory, signal),
      async changeNode(next, isProvisional) {
        const refuseWhenClosed = async (): Promise<void> => {
          if (!isClosed) return
          await next.close()
          throw new DriveError('ABORTED', 'The drive is closing.')
        }
        await refuseWhenClosed()
        await current.close()
        // A failure of the previous node must not leave the drive without sync.
        await node.close().catch((error: unknown) => {
          log.warn('the previous node did not close cleanly', { code: toWire(error).code })
        })
        await refuseWhenClosed()
        node = next
        current = await startSync(isProvisional, false)
      },
      close: (rememberMounts) => {
        isClosed = true
        remember = rememberMounts
        return closeInReverse(closers, log)
      },
      async closeDead() {
        isClosed = true
        remember = true
        await mounts.leave()
        await closeInReverse(closers, log)
      },
    }
  } catch (error) {
    // Programs lose the mount. What they were told is done is not lost, unless it needs the node.
    await takingOver?.rescue()
    await closeInReverse(closers, log).catch(() => {
      // Report the first failure; this one is in the log.
    })
    throw error
  }
}

async function closeInReverse(closers: (() => Promise<void>)[], log: Log): Promise<void> {
  let failure: Error | undefined
  for (const close of closers.splice(0).reverse()) {
    await close().catch((error: unknown) => {
      failure ??= error instanceof Error ? error : new Error(String(error))
      log.error('a part of the drive did not close cleanly', { error: failure.message })
    })
  }
  if (failure !== undefined) throw failure
}
