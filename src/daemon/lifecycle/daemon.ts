/**
 * The daemon's own state: whether there is a drive, whether it is locked, opening it once, closing it, and when to end.
 * What may be asked over the socket is in control.ts.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DriveError, systemClock, systemRandom, type Log } from '../../base/index.js'
import {
  readConfig,
  readFileIfAny,
  withEnvironment,
  type DriveConfig,
  type DrivePaths,
  allocatePages,
} from '../../platform/index.js'
import type { DriveState, MountReport } from '../../api/index.js'
import { readKeyFile } from '../keys/key-file.js'
import { readNodeKey, type NodeCredential } from '../keys/node-keys.js'
import { type RootKey } from '../../crypto/index.js'
import { listenerOf, openNode, type IpfsNode, type OpenNodeOptions } from '../../node/index.js'
import type { OpenedDrive } from '../../sync/index.js'
import type { AtRisk } from '../../tree-state/index.js'
import { openDrive, type Drive } from './drive.js'
import { findAgain } from '../nodes/find-published.js'
import { requireOutside } from '../nodes/outside-the-drive.js'
import { isMarkedPublished } from '../nodes/published-mark.js'
import { reopeningNode } from '../nodes/reopening-node.js'
import { forceUnmount } from '../../fuse/index.js'
import type { Holder } from '../mounts/holder.js'
import { clearDeadMounts, mountAgain } from '../mounts/mount-again.js'
import { readMountRecord, type RecordedMount } from '../mounts/mount-record.js'

export interface DaemonOptions {
  readonly paths: DrivePaths
  readonly log: Log
  readonly version: string
  /** Mounts of a crashed daemon are only detached, not brought back. */
  readonly leaveMounts: boolean
  readonly holder: Holder
  readonly onMountsChanged: () => void
}

export interface Daemon {
  readonly state: DriveState
  /** The last failure that nobody was told, for the status. */
  lastError: string | undefined
  readonly paths: DrivePaths
  readonly log: Log
  readonly version: string
  /** The open drive, if it is open right now. */
  readonly drive: Drive | undefined
  readonly rootKey: RootKey | undefined
  /** Waits for an opening; NO_DRIVE, LOCKED or what made opening fail. */
  requireDrive(): Promise<Drive>
  /** Opens what the key file holds; what goes wrong becomes the state. */
  start(): Promise<void>
  /** Waits until nothing is being opened, so that `state` is final for now. */
  settled(): Promise<void>
  /** WRONG_KEY for a wrong passphrase. */
  unlock(passphrase: string): Promise<void>
  /** Opens a drive whose key file and configuration were just written. */
  open(rootKey: RootKey, node: IpfsNode, start: OpenedDrive | undefined): Promise<Drive>
  /** Closes and opens again, with the configuration as it is on disk. */
  reopen(): Promise<Drive>
  /** The configured node, or another address. */
  connectNode(
    address: string,
    credential: NodeCredential | undefined,
    how?: Pick<OpenNodeOptions, 'mustExist'>,
  ): Promise<IpfsNode>
  /** What was kept for this node, or `key` as given now for it. Never that of another node. */
  nodeCredential(address: string, key?: string): Promise<NodeCredential | undefined>
  config(): Promise<DriveConfig>
  /** Everything `staged`, unmounted, closed. `rememberMounts`: the next daemon brings them back. */
  close(rememberMounts: boolean): Promise<void>
}

/** More deaths of the drive thread than this within a minute, and it is not started again by itself. */
const MOST_DEATHS = 3
const DEATHS_WITHIN_MS = 60_000

/** What a death of the drive thread cost. */
function sentenceOf({ files, bytes, inodes }: AtRisk): string {
  if (files === 0 && inodes === 0) return 'Nothing was in its memory only.'
  const held = `${files} ${files === 1 ? 'file' : 'files'} with ${bytes} bytes`
  return `Lost, as not yet on disk: ${held}, and the last changes to ${inodes} files or directories.`
}

export function createDaemon(options: DaemonOptions): Daemon {
  const { paths, log, holder } = options
  let state: DriveState = 'opening'
  let drive: Drive | undefined
  let rootKey: RootKey | undefined
  let failure: DriveError | undefined
  let opening: Promise<unknown> = Promise.resolve()
  let deathsMs: number[] = []

  const fail = (error: unknown): DriveError => {
    failure = error instanceof DriveError ? error : new DriveError('INTERNAL', String(error), { cause: error })
    state = 'failed'
    daemon.lastError = failure.message
    const stack = error instanceof Error && !(error instanceof DriveError) ? { stack: error.stack } : {}
    log.error('the drive could not be opened', { code: failure.code, error: failure.message, ...stack })
    return failure
  }

  const openNow = async (
    key: RootKey,
    node: IpfsNode,
    { isNew, start }: { isNew: boolean; start?: OpenedDrive | undefined },
  ): Promise<Drive> => {
    state = 'opening'
    rootKey = key
    try {
      const config = async (): Promise<DriveConfig> => withEnvironment(await daemon.config(), process.env)
      const { cacheBytes } = await config()
      const findStart = async (): Promise<OpenedDrive | undefined> =>
        start ?? (isNew ? undefined : findAgain({ node, rootKey: key, paths, log }))
      drive = await openDrive({
        paths,
        config,
        cacheBytes,
        rootKey: key,
        node,
        findStart,
        log,
        holder,
        onDeath,
        onMountsChanged,
      })
      state = 'open'
      failure = undefined
      daemon.lastError = undefined
      return drive
    } catch (error) {
      throw fail(error)
    }
  }
  const { onMountsChanged } = options

  /** The tree is gone with its thread; what was staged is on disk. Close the rest and begin again. */
  const onDeath = (reason: DriveError, lost: AtRisk): void => {
    const what = `${reason.message.replace(/\.?$/, '.')} ${holder.held === undefined ? sentenceOf(lost) : 'Nothing is lost.'}`
    daemon.lastError = what
    state = 'opening'
    const nowMs = systemClock.monotonicMs()
    deathsMs = [...deathsMs.filter((atMs) => nowMs - atMs < DEATHS_WITHIN_MS), nowMs]
    opening = (async () => {
      const dead = drive
      const wanted: readonly MountReport[] = dead?.mounts ?? []
      drive = undefined
      await dead?.closeDead().catch((error: unknown) => log.warn('closing after a failure', { error: String(error) }))
      // Dying again and again: stop, say so, and let the next command try.
      if (deathsMs.length > MOST_DEATHS) {
        await letGo()
        throw reason
      }
      const again = await openFromDisk()
      if (again !== undefined) await remount(again, wanted)
      daemon.lastError = `${what} It was started again.`
    })().catch(fail)
  }

  /** Nobody can serve the mount that a holder keeps: programs get an error rather than wait for ever. */
  const letGo = async (): Promise<void> => {
    const { held } = holder
    holder.drop()
    if (held !== undefined) await forceUnmount(held.directory).catch(() => undefined) // it has gone by itself
  }

  const openFromDisk = async (passphrase?: string): Promise<Drive | undefined> => {
    if ((await readFileIfAny(paths.keyFile)) === undefined) {
      state = 'no-drive'
      return undefined
    }
    let key: RootKey
    try {
      key =
        rootKey ??
        holder.takeKey() ??
        (await readKeyFile(paths.keyFile, passphrase === undefined ? {} : { passphrase }))
    } catch (error) {
      if (!(error instanceof DriveError) || error.code !== 'WRONG_KEY') throw error
      state = 'locked'
      if (passphrase !== undefined) throw new DriveError('WRONG_KEY', 'The passphrase is wrong.', { cause: error })
      return undefined
    }
    const config = await daemon.config()
    // An empty store in place of a disk that is not connected would be published to.
    const mustExist =
      /^file:/i.test(config.nodeUrl) &&
      existsSync(join(paths.dataDirectory, 'meta')) &&
      (await isMarkedPublished(paths.publishedFile))
    // A node that cannot be opened now must not keep the drive from being mounted.
    return openNow(
      key,
      reopeningNode(config.nodeUrl, async () =>
        daemon.connectNode(config.nodeUrl, await daemon.nodeCredential(config.nodeUrl), { mustExist }),
      ),
      { isNew: false },
    )
  }

  const remount = async (opened: Drive, wanted: readonly RecordedMount[]): Promise<void> => {
    const problem = await mountAgain(opened, wanted, log)
    if (problem !== undefined) daemon.lastError = problem
  }

  const remountRecorded = async (opened: Drive | undefined): Promise<void> => {
    if (opened !== undefined) await remount(opened, await readMountRecord(paths.mountsFile, log))
  }

  /** One opening at a time; `requireDrive` waits for it. */
  const exclusively = <T>(action: () => Promise<T>): Promise<T> => {
    const run = opening.catch(() => undefined).then(action)
    opening = run.catch(() => undefined)
    return run
  }

  const daemon: Daemon = {
    get state() {
      return state
    },
    lastError: undefined,
    paths,
    log,
    version: options.version,
    get drive() {
      return drive
    },
    get rootKey() {
      return rootKey
    },
    async requireDrive() {
      await opening
      // The reason may be gone: a full disk, a directory that was missing.
      if (state === 'failed') await exclusively(openFromDisk)
      if (drive !== undefined && state === 'open') return drive
      if (state === 'no-drive') throw new DriveError('NO_DRIVE', 'There is no drive here yet.')
      if (state === 'locked') throw new DriveError('LOCKED', 'The drive is locked; its passphrase is needed.')
      throw failure ?? new DriveError('INTERNAL', 'The drive is not open.')
    },
    start: () =>
      exclusively(async () => {
        try {
          if (options.leaveMounts) await letGo()
          if (options.leaveMounts) await clearDeadMounts(paths.mountsFile, log)
          await remountRecorded(await openFromDisk())
        } catch (error) {
          if (state !== 'failed') fail(error)
        }
        if (state !== 'open') await letGo()
      }),
    async settled() {
      await opening
    },
    unlock: (passphrase) =>
      exclusively(async () => {
        if (state !== 'locked') return
        await remountRecorded(await openFromDisk(passphrase))
      }),
    open: (key, node, start) => exclusively(() => openNow(key, node, { isNew: true, start })),
    reopen: () =>
      exclusively(async () => {
        const wanted = drive?.mounts ?? []
        await drive?.close(true)
        drive = undefined
        const opened = await openFromDisk()
        if (opened === undefined) throw new DriveError('NO_DRIVE', 'There is no drive here yet.')
        await remount(opened, wanted)
        return opened
      }),
    connectNode: async (address, credential, how = {}) => {
      await requireOutside(address, drive?.mounts ?? [])
      return openNode(address, {
        ...how,
        dataDirectory: dirname(paths.embeddedNodeDirectory),
        clock: systemClock,
        random: systemRandom,
        log,
        credentials: credential?.key,
        listener: credential?.listener,
        version: options.version,
        allocatePages,
      })
    },
    async nodeCredential(address, key) {
      if (key === undefined) return readNodeKey(paths.nodeKeyFile, address)
      return { key, listener: await listenerOf(address) }
    },
    config: () => readConfig(paths.configFile),
    async close(rememberMounts) {
      await opening.catch(() => undefined)
      const open = drive
      drive = undefined
      rootKey = undefined
      await open?.close(rememberMounts)
    },
  }
  return daemon
}
