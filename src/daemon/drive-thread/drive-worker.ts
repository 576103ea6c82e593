/** The main thread's side of the drive thread: starts it, calls it and notices its death. */
import { DriveError, isDriveError, type Log } from '../../base/index.js'
import { FILES_METHODS, type Files } from '../../files/client.js'
import type { MountEnd, SkippedOperation } from '../../fuse/index.js'
import { makeRiskMemory, readRisk, type AtRisk, type RemoteSource } from '../../tree-state/index.js'
import { DRIVE_THREAD_METHODS, type DriveThread, type DriveThreadData, type MainThread } from './contract.js'
import type { StartThread } from './prepare-drive-thread.js'
import { connectRpc, remoteMethods, type Rpc } from './rpc.js'

export interface DriveWorker {
  readonly thread: DriveThread
  readonly files: Files
  /** Whether the thread has ended by itself. */
  readonly isDead: boolean
  /** Sets sync's source of blocks and entries. Before that, reads fail with OFFLINE. */
  setRemote(remote: RemoteSource): void
  /** Called once if the thread dies unexpectedly, with the changes that were only in its memory. */
  onDeath(listener: (reason: DriveError, lost: AtRisk) => void): void
  /** Makes everything `staged`, then ends the thread. After a death it only cleans up. */
  close(): Promise<void>
}

export interface DriveWorkerOptions extends Omit<DriveThreadData, 'riskMemory'> {
  readonly log: Log
  readonly startThread: StartThread
  /** Makes a request to the node; it may be repeated. */
  readonly insist: <T>(request: () => Promise<T>) => Promise<T>
  readonly onMountEnded: (mountpoint: string, end: MountEnd) => void
  /** Called when a request that ended earlier drive threads is answered with an error. */
  readonly onRefused: (what: string) => void
  /** Called when operations of a killed daemon are not replayed. Resolves when that is recorded. */
  readonly onSkipped: (first: readonly SkippedOperation[], total: number) => Promise<void>
  /** See MainThread. */
  readonly untilSpace: () => Promise<boolean>
  /** Called when sync has work to do; see `Sync.changed`. */
  readonly onChanged: () => void
}

export function startDriveWorker(options: DriveWorkerOptions): DriveWorker {
  const { log, startThread, onMountEnded, onRefused, onSkipped, untilSpace, onChanged, insist, ...rest } = options
  const data: DriveThreadData = { ...rest, riskMemory: makeRiskMemory() }
  const worker = startThread(data)
  let remote: RemoteSource | undefined
  let closing = false
  let dead = false
  const deathListeners: ((reason: DriveError, lost: AtRisk) => void)[] = []

  /** The source is looked up by each try, because the drive may move to another node meanwhile. */
  const ask = <T>(request: (source: RemoteSource) => Promise<T>): Promise<T> =>
    insist(async () => {
      if (remote === undefined) throw new DriveError('OFFLINE', 'The node is not open yet.')
      return request(remote)
    })
  const handlers: { readonly [Name in keyof MainThread]: MainThread[Name] } = {
    fetchBlocks: (digests, signal) => ask((source) => source.fetchBlocks(digests, signal)),
    loadDirectory: (from, signal) => ask((source) => source.loadDirectory(from, signal)),
    loadChunks: (from, signal) => ask((source) => source.loadChunks(from, signal)),
    mountEnded: async (mountpoint, end) => onMountEnded(mountpoint, end),
    requestRefused: async (what) => onRefused(what),
    operationsSkipped: onSkipped,
    untilSpace,
    changed: async () => onChanged(),
    log: async (level, message, fields) => log[level](message, fields),
  }
  const rpc = connectRpc(worker, handlers)

  const ended = new Promise<void>((resolve) => {
    const die = (reason: DriveError): void => {
      if (dead) return
      dead = true
      rpc.fail(reason)
      const lost = readRisk(data.riskMemory)
      if (lost.files > 0 || lost.inodes > 0) {
        log.error('the drive thread died with changes that were only in its memory', { ...lost })
      }
      if (!closing) for (const listener of deathListeners) listener(reason, lost)
    }
    worker.on('error', (error) => {
      const message = isDriveError(error) || error instanceof Error ? error.message : String(error)
      log.error('the drive thread failed', {
        error: message,
        ...(error instanceof Error ? { stack: error.stack } : {}),
      })
      die(new DriveError('INTERNAL', `The drive thread failed: ${message}`, { cause: error }))
    })
    worker.on('exit', (code) => {
      die(new DriveError('INTERNAL', `The drive thread ended unexpectedly (${code}).`))
      resolve()
    })
  })

  return {
    thread: remoteMethods<DriveThread>(rpc, DRIVE_THREAD_METHODS),
    files: remoteFiles(rpc),
    get isDead() {
      return dead
    },
    setRemote(source) {
      remote = source
    },
    onDeath: (listener) => deathListeners.push(listener),
    async close() {
      closing = true
      try {
        if (!dead) await rpc.call('closeAll', [])
      } finally {
        const timer = setTimeout(() => void worker.terminate(), 5_000)
        await ended
        clearTimeout(timer)
      }
    },
  }
}

/** Typed by `Files`; the drive thread has a handler for each of its methods. */
function remoteFiles(rpc: Rpc): Files {
  const calls = FILES_METHODS.map((name) => [name, (...given: unknown[]) => rpc.call(`files.${name}`, given)] as const)
  return Object.fromEntries(calls) as unknown as Files
}
