/**
 * The entry of the drive thread. It opens store, pipeline, tree and kernel mounts in this order, and closes them in
 * reverse. Only this thread changes the tree. It must not access a path inside a mount synchronously, because it would
 * have to answer that request itself.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import {
  DriveError,
  MIB,
  systemClock,
  systemRandom,
  type Digest,
  type Log,
  type LogFields,
  type LogLevel,
} from '../../base/index.js'
import { allocatePages, punchHole, readWithoutWaiting, createSpaceGuard, diskSpace } from '../../platform/index.js'
import { deriveDriveKeys } from '../../crypto/index.js'
import { FILES_METHODS, openFiles, type FilesSession } from '../../files/index.js'
import { mountTree, prepareTakeOver, showAgain, takeOverTree } from '../../fuse/index.js'
import type { FuseMount, LivingMount } from '../../fuse/index.js'
import { createCore, openPipeline } from '../../pipeline/index.js'
import { openBlockStore } from '../../storage/blocks/index.js'
import { openEnvironment } from '../../storage/kv/index.js'
import { TABLES, type DrivePort } from '../../tree-state/index.js'
import { openVfs, type Vfs } from '../../vfs/index.js'
import {
  MAIN_THREAD_METHODS,
  type DriveThread,
  type DriveThreadData,
  type DriveThreadStart,
  type MainThread,
  type ThreadMount,
  type ThreadMountOptions,
} from './contract.js'
import { localSealer } from '../lifecycle/local-data.js'
import { collectWhenIdle } from '../lifecycle/idle-memory.js'
import { connectRpc, transfer, transferOne, remoteMethods, type Handlers } from './rpc.js'

/** Space kept free on the disk for commits and logs. */
const RESERVE_BYTES = 16 * MIB
/** Mode of the root of a new drive: only its user has access. `chmod` of the mount grants access to others. */
const ROOT_MODE = 0o700

const { dataPort } = workerData as DriveThreadStart
const data = await new Promise<DriveThreadData>((resolve) => dataPort.once('message', resolve))
dataPort.close()
const port = parentPort as MessagePort
const keys = deriveDriveKeys(data.rootKey)
const mounts = new Map<string, FuseMount>()
/** Closes what was opened, in reverse order. */
const closers: (() => Promise<void>)[] = []
let vfs: Vfs | undefined
let files: FilesSession | undefined

collectWhenIdle()
mkdirSync(data.dataDirectory, { recursive: true, mode: 0o700 })

function opened(): Vfs {
  if (vfs === undefined) throw new DriveError('INTERNAL', 'The drive thread has not opened its drive.')
  return vfs
}

const toPort =
  <Name extends keyof DrivePort>(name: Name) =>
  (...given: unknown[]) =>
    (opened().port[name] as (...given: unknown[]) => unknown)(...given)

const handlers: { readonly [Name in keyof DriveThread]: unknown } = {
  freeze: toPort('freeze'),
  resume: toPort('resume'),
  published: toPort('published'),
  adopt: toPort('adopt'),
  giveBack: toPort('giveBack'),
  keepBlocks: toPort('keepBlocks'),
  restoreBlocks: toPort('restoreBlocks'),
  replaceBlocks: toPort('replaceBlocks'),
  markChanged: toPort('markChanged'),
  nextEvicted: toPort('nextEvicted'),
  readBlocks: async (digests: readonly Digest[]) => transfer(await opened().port.readBlocks(digests)),
  placesOf: toPort('placesOf'),
  shareSegment: toPort('shareSegment'),
  flush: toPort('flush'),
  discardUnpublished: toPort('discardUnpublished'),
  counts: toPort('counts'),
  evictTo: toPort('evictTo'),
  isFresh,
  open,
  mount,
  showAgain: (mountpoint, options) => {
    const served = mounts.get(mountpoint)
    return served !== undefined && opened().duringWriteBack(() => showAgain(served, options, log))
  },
  takeOver,
  abort: async (mountpoint) => mounts.get(mountpoint)?.abort(),
  writeBack,
  unmount,
  closeAll,
} satisfies DriveThread | Record<keyof DriveThread, unknown>

function openedFiles(): FilesSession {
  if (files === undefined) throw new DriveError('INTERNAL', 'The drive thread has not opened its drive.')
  return files
}

const filesHandlers = Object.fromEntries(
  FILES_METHODS.map((name) => [
    `files.${name}`,
    name === 'read'
      ? async (...given: Parameters<FilesSession['read']>) => transferOne(await openedFiles().read(...given))
      : (...given: unknown[]) => (openedFiles()[name] as (...given: unknown[]) => unknown)(...given),
  ]),
)

const main = remoteMethods<MainThread>(
  connectRpc(port, { ...handlers, ...filesHandlers } as Handlers),
  MAIN_THREAD_METHODS,
)
const log = logThroughMain()
const meta = openEnvironment({
  path: join(data.dataDirectory, 'meta'),
  sealer: localSealer(keys.localKey, data.home, 'meta', systemRandom),
  log,
})
closers.push(() => meta.close())

async function isFresh(): Promise<boolean> {
  return [...meta.table(TABLES.state, { sealed: true }).range({ limit: 1 })].length === 0
}

async function open({ root, living }: Parameters<DriveThread['open']>[0]): Promise<void> {
  const directory = data.dataDirectory
  const blocks = await openBlockStore({
    directory,
    log,
    fileCalls: { punchHole, readWithoutWaiting, allocatePages },
    guard: createSpaceGuard({ path: directory, reserveBytes: RESERVE_BYTES }),
  })
  closers.push(() => blocks.close())
  // No tree of this home refers to blocks that are here already.
  if (root !== undefined) await blocks.releaseAll()
  const pipeline = openPipeline({
    segmentDirectory: blocks.segmentDirectory,
    keys,
    findDuplicate: (dedupId) => blocks.findDuplicate(dedupId),
  })
  closers.push(() => pipeline.close())
  const tree = await openVfs({
    meta,
    blocks,
    pipeline,
    core: createCore(),
    remote: main,
    nameKey: keys.nameKey,
    clock: systemClock,
    random: systemRandom,
    log,
    disk: diskSpace(directory, systemClock),
    cacheLimitBytes: data.cacheBytes,
    riskMemory: data.riskMemory,
    tellSync: () => void main.changed().catch(() => undefined), // the main thread is ending
    freshRoot:
      root === undefined
        ? { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, mode: ROOT_MODE }
        : { record: root },
    takeOver: living && { ...living.highest, onFound: (durable) => prepareTakeOver(living.sharedMemory, durable) },
  })
  closers.push(() => tree.close())
  vfs = tree
  const access = openFiles({
    tree: tree.tree,
    unnamed: tree.unnamed,
    identities: tree.identities,
    listen: (listener) => tree.changes.listen(listener),
    invalidate: (what) => tree.invalidations.send(what),
    random: systemRandom,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
  })
  closers.push(() => access.closeAll())
  files = access
}

async function mount(directory: string, options: ThreadMountOptions): Promise<ThreadMount> {
  return watch(
    await mountTree({
      tree: opened().tree,
      mountpoint: directory,
      options: { ...options, exact: true, guards: true },
      log,
    }),
  )
}

async function takeOver(living: LivingMount, options: ThreadMountOptions): Promise<ThreadMount> {
  const untilSpace = (): Promise<boolean> => main.untilSpace()
  const onRefused = (what: string): void => void main.requestRefused(what).catch(() => undefined) // it is ending
  return watch(
    await takeOverTree({
      tree: opened().tree,
      living,
      options: { ...options, onRefused, onSkipped: (first, total) => main.operationsSkipped(first, total), untilSpace },
      log,
    }),
  )
}

function watch(served: FuseMount): ThreadMount {
  const { mountpoint, channel, beneath = 0, bareMode } = served
  mounts.set(mountpoint, served)
  served.onEnd((end) => {
    mounts.delete(mountpoint)
    void main.mountEnded(mountpoint, end).catch(() => undefined) // the main thread is ending
  })
  return { mountpoint, channel, beneath, bareMode }
}

async function unmount(mountpoint: string, { lazy }: { readonly lazy: boolean }): Promise<void> {
  const served = mounts.get(mountpoint)
  if (served === undefined) return
  await opened().duringWriteBack(() => served.unmount({ lazy }))
  served.release()
}

async function writeBack(): Promise<void> {
  for (const served of mounts.values()) await opened().duringWriteBack(() => served.writeBack())
}

async function closeAll(): Promise<void> {
  let failure: Error | undefined
  for (const close of closers.splice(0).reverse()) {
    await close().catch((error: unknown) => {
      failure ??= error instanceof Error ? error : new Error(String(error))
    })
  }
  // After the answer to this call is sent, nothing keeps the thread alive.
  setImmediate(() => port.close())
  if (failure !== undefined) throw failure
}

function logThroughMain(): Log {
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void =>
      void main.log(level, message, fields).catch(() => undefined) // the main thread is ending
  return { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') }
}
