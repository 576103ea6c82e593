/**
 * One open drive on the main thread: connects the drive thread, the node and sync, and manages the mounts and their
 * record. Requests and the daemon's exit are handled elsewhere.
 */
import { closeSync } from 'node:fs'
import { join } from 'node:path'
import type { MountReport, MountRequest } from '../../api/index.js'
import type { DriveConfig, DrivePaths } from '../../platform/index.js'
import { type DriveError, systemClock, type Log } from '../../base/index.js'
import { deriveDriveKeys, type DriveKeys, type RootKey } from '../../crypto/index.js'
import type { Files } from '../../files/client.js'
import type { IpfsNode } from '../../node/index.js'
import { openEnvironmentReader } from '../../storage/kv/index.js'
import { type AtRisk, type DriveCounts } from '../../tree-state/index.js'
import { type FastForward, finishTakeOver, inodeOf, type OpenedDrive, type Sync } from '../../sync/index.js'
import { startDriveWorker, type DriveWorker } from '../drive-thread/drive-worker.js'
import type { StartThread } from '../drive-thread/prepare-drive-thread.js'
import type { HeldMount, Holder } from '../mounts/contract.js'
import type { RecordedMount } from '../mounts/mount-record.js'
import { createMounts, type Mounts, type MountsOptions } from '../mounts/mounts.js'
import { TakingOver } from '../mounts/taking-over.js'
import { endFirstOpening, markFirstOpening } from './local-data.js'
import { markIfAllPublished } from './ending/all-published-mark.js'
import { NodeAndSync } from './opening/node-and-sync.js'
import { openLocalData, type LocalData } from './opening/open-local-data.js'
import { OpenParts } from './opening/open-parts.js'
import { isFullDisk } from './opening/opening-wait.js'
import { describeRefusal, describeSkipped } from './deaths.js'
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
  /** See DriveThread. To be called before `flush` by an end. */
  writeBack(): Promise<void>
  /** Makes everything `staged`. */
  flush(): Promise<void>
  /** Resolves when the mount answers requests. */
  mount(request: MountRequest): Promise<MountReport>
  adoptFiles: Mounts['adoptFiles']
  /** Restores a mount after a crash; see Mounts. */
  remount(before: RecordedMount): Promise<{ readonly beneath: number }>
  /**
   * `force` aborts the kernel connection.
   * @throws BUSY while programs use the mount, unless `lazy` or `force`
   */
  unmount(mountpoint: string, options: { lazy?: boolean; force?: boolean }): Promise<void>
  waitUnmounted(directory: string, signal: AbortSignal): Promise<void>
  /** See Mounts. */
  refuseMounts(): Promise<void>
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
  const parts = new OpenParts(options.log)
  try {
    return await openInto(parts, options)
  } catch (error) {
    // Without space the daemon tries again. Otherwise programs lose the mount. What they were told is done is not lost,
    // unless it needs the node.
    if (!isFullDisk(error)) await parts.takingOver?.rescue()
    await parts.close(true).catch(() => {
      // Report the first failure; this one is in the log.
    })
    throw error
  }
}

async function openInto(parts: OpenParts, options: OpenDriveOptions): Promise<Drive> {
  const { paths, log } = options
  const keys = deriveDriveKeys(options.rootKey)
  const nodeAndSync = new NodeAndSync(options.node, log)
  parts.push(() => nodeAndSync.closeNode())
  const local = await openLocalData(paths.dataDirectory, keys.localKey, log)
  parts.push(() => local.queue.close())
  const held = options.holder.take()
  const takingOver = (parts.takingOver = held && new TakingOver(held.report.directory, log))
  // Whoever takes the mount over owns the channel from then on.
  if (held !== undefined) parts.push(async () => void (takingOver?.hasBegun === false && closeSync(held.channel)))
  const newer = await findNewer(options, keys, local, held)
  const { worker, mounts } = startThread(options, local.home, nodeAndSync, takingOver)
  parts.detach = (remember) => (worker.isDead ? mounts.leave() : mounts.detachAll(remember))
  parts.push(() => worker.close())
  const { fresh, start } = await openTree(options, worker, newer.found, held)
  if (held !== undefined) takingOver?.prepare(() => mounts.takeOver(held))
  if (newer.found !== undefined) await finishTakeOver(local.queue)
  const meta = openEnvironmentReader(join(paths.dataDirectory, 'meta'), local.sealer)
  parts.push(() => meta.close())
  const config = await options.config()
  parts.push(async () => {
    await nodeAndSync.closeSync()
    await local.queue.commit()
    await markIfAllPublished(paths.dataDirectory, takingOver?.isOver === false ? undefined : worker.thread, log)
  })
  // A tree in the middle of a replay is not published. The replay may need what sync reads from the node.
  await nodeAndSync.start({ worker, meta, queue: local.queue, keys, config, start, paths }, held !== undefined)
  if (fresh) await endFirstOpening(paths.dataDirectory)
  // Commands have to answer however long it takes.
  await takingOver?.begin()
  void takingOver?.over.then(() => nodeAndSync.sync.resume())
  return driveOf({ parts, nodeAndSync, worker, mounts, takingOver, newerUnknown: newer.unknown })
}

/** Programs use the mounted tree, so it is not replaced by a newer version. */
async function findNewer(
  { paths, config, node, log }: OpenDriveOptions,
  keys: DriveKeys,
  { sealer, queue }: LocalData,
  held: HeldMount | undefined,
): Promise<{ found?: FastForward | undefined; unknown?: string | undefined }> {
  if (held !== undefined) return {}
  const { deviceSlot } = await config()
  let unknown: string | undefined
  const onUnknown = (code: string): void => {
    unknown = code
  }
  const found = await takeOverNewer({ paths, keys, sealer, queue, node, deviceSlot, log, onUnknown })
  return { found, unknown }
}

function startThread(
  options: OpenDriveOptions,
  home: LocalData['home'],
  nodeAndSync: NodeAndSync,
  takingOver: TakingOver | undefined,
): { worker: DriveWorker; mounts: Mounts } {
  const { paths, rootKey, log, cacheBytes, holder, losses } = options
  const worker = startDriveWorker({
    dataDirectory: paths.dataDirectory,
    home,
    rootKey,
    cacheBytes,
    log,
    startThread: options.startThread,
    insist: (request) => (takingOver === undefined ? request() : takingOver.insist(request)),
    onMountEnded: (mountpoint, end) => mounts.ended(mountpoint, end),
    onRefused: (what) => void losses.note(describeRefusal(what)),
    untilSpace: () => takingOver?.untilSpace() ?? Promise.resolve(false),
    onSkipped: (first, total) => losses.note(describeSkipped(first, total)),
    onChanged: () => nodeAndSync.changed(),
  })
  const onChanged = options.onMountsChanged
  const mounts = createMounts({ worker, holder, losses, rootKey, paths, log, onChanged, takingOver })
  worker.onDeath(options.onDeath)
  return { worker, mounts }
}

/** Opens the tree that is here, or that of a version. @returns whether it is new, and the version it starts from */
async function openTree(
  { paths, findStart, log }: OpenDriveOptions,
  { thread }: DriveWorker,
  newer: FastForward | undefined,
  held: HeldMount | undefined,
): Promise<{ fresh: boolean; start: OpenedDrive | undefined }> {
  const fresh = newer === undefined && held === undefined && (await thread.isFresh())
  if (fresh) await markFirstOpening(paths.dataDirectory)
  const start = fresh ? await findStart() : undefined
  const root = newer?.version.commit.root ?? start?.root
  if ((newer ?? start)?.version.commit.isRootCut)
    log.warn('attributes of the root directory beyond the limit of a file were left out')
  await thread.open({ root: root && inodeOf(root), living: held })
  return { fresh, start }
}

interface DriveParts {
  readonly parts: OpenParts
  readonly nodeAndSync: NodeAndSync
  readonly worker: DriveWorker
  readonly mounts: Mounts
  readonly takingOver: TakingOver | undefined
  readonly newerUnknown: string | undefined
}

function driveOf({ parts, nodeAndSync, worker, mounts, takingOver, newerUnknown }: DriveParts): Drive {
  const close = (rememberMounts: boolean): Promise<void> => {
    nodeAndSync.refuseChanges()
    return parts.close(rememberMounts)
  }
  return {
    get node() {
      return nodeAndSync.node
    },
    get sync() {
      return nodeAndSync.sync
    },
    get mounts() {
      return mounts.list
    },
    files: worker.files,
    openedMs: systemClock.monotonicMs(),
    get takingOver() {
      return takingOver?.isOver === false ? takingOver : undefined
    },
    newerUnknown,
    counts: () => worker.thread.counts(),
    writeBack: () => worker.thread.writeBack(),
    flush: () => worker.thread.flush(),
    mount: (request) => mounts.mount(request),
    adoptFiles: (directory, signal) => mounts.adoptFiles(directory, signal),
    remount: (before) => mounts.remount(before),
    unmount: (mountpoint, how) => mounts.unmount(mountpoint, how),
    waitUnmounted: (directory, signal) => mounts.waitUnmounted(directory, signal),
    refuseMounts: () => mounts.refuseNew(),
    changeNode: (node, isProvisional) => nodeAndSync.change(node, isProvisional),
    close,
    async closeDead() {
      nodeAndSync.refuseChanges()
      await mounts.leave()
      await close(true)
    },
  }
}
