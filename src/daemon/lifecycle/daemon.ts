/**
 * The daemon's own state: whether there is a drive and whether it is locked. Opens the drive once, closes it, and
 * decides when to exit. control.ts answers the requests on the socket.
 */
import { DriveError, fromWire, systemClock, toWire } from '../../base/index.js'
import { readConfig, readHomeFile, withEnvironment, type DriveConfig } from '../../platform/index.js'
import type { DriveState, MountReport } from '../../api/index.js'
import { unlockedKey } from '../keys/unlocked-key.js'
import type { RootKey } from '../../crypto/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { OpenedDrive } from '../../sync/index.js'
import type { AtRisk } from '../../tree-state/index.js'
import type { Daemon, DaemonOptions } from './contract.js'
import { Deaths, describeLoss, hasLost, retryAfterDeath } from './deaths.js'
import { openDrive, type Drive } from './drive.js'
import { Losses } from './losses.js'
import { OpeningWait } from './opening/opening-wait.js'
import { connectNode, nodeCredential } from '../nodes/connect-node.js'
import { notOpen } from './not-open.js'
import { closeProven } from './replacing/close-proven.js'
import { findAgain } from '../nodes/find-published.js'
import { storeMustExist } from '../nodes/published-mark.js'
import { reopeningNode } from '../nodes/reopening-node.js'
import { dropHeldMount } from '../mounts/drop-held-mount.js'
import { DeadMounts } from '../mounts/dead/dead-mounts.js'
import { remountAll } from '../mounts/remount.js'
import { readMountRecord, reserveMountRecord, type RecordedMount } from '../mounts/mount-record.js'

export function createDaemon(options: DaemonOptions): Daemon {
  const { paths, log, holder } = options
  let state: DriveState = 'opening'
  let drive: Drive | undefined
  let rootKey: RootKey | undefined
  let failure: DriveError | undefined
  /** Reports a death of the drive thread before the drive was open. */
  const died: (() => void)[] = []
  let opening: Promise<unknown> = Promise.resolve()
  const deaths = new Deaths(systemClock)
  const losses = new Losses({ file: paths.lossesFile, clock: systemClock, log })
  const hasDied = (): boolean => died.length > 0
  const waiting = new OpeningWait({ directory: paths.dataDirectory, log, held: () => holder.held, hasDied })

  const fail = (error: unknown): DriveError => {
    failure = error instanceof DriveError ? error : fromWire(toWire(error))
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
    let opened: Drive | undefined
    try {
      const config = async (): Promise<DriveConfig> => withEnvironment(await daemon.config(), process.env)
      const { cacheBytes } = await config()
      await losses.prepare()
      await reserveMountRecord(paths.mountsFile, log)
      const findStart = async (): Promise<OpenedDrive | undefined> =>
        start ?? (isNew ? undefined : findAgain({ node, rootKey: key, paths, log }))
      opened = await openDrive({
        paths,
        config,
        cacheBytes,
        rootKey: key,
        node,
        findStart,
        log,
        holder,
        losses,
        onDeath: (reason, lost) => {
          if (opened === undefined) died.push(() => onDeath(reason, lost))
          else onDeath(reason, lost)
        },
        startThread: options.startThread,
        onMountsChanged: options.onMountsChanged,
      })
      drive = opened
      state = 'open'
      failure = undefined
      daemon.lastError = undefined
      for (const report of died) report()
      return drive
    } catch (error) {
      throw fail(error)
    }
  }

  /** The tree died with its thread; staged data is on disk. Closes the other parts and opens the drive again. */
  const onDeath = (reason: DriveError, lost: AtRisk): void => {
    const isHeld = holder.held !== undefined
    const what = `${reason.message.replace(/\.?$/, '.')} ${isHeld ? 'Nothing is lost.' : describeLoss(lost)}`
    daemon.lastError = what
    state = 'opening'
    const isRestarted = deaths.note()
    opening = (async () => {
      const dead = drive
      const wanted: readonly MountReport[] = dead?.mounts ?? []
      drive = undefined
      if (!isHeld && hasLost(lost)) await losses.note(describeLoss(lost))
      await dead
        ?.closeDead()
        .catch((error: unknown) => log.warn('closing failed after a failure', { error: String(error) }))
      // After repeated deaths: wait if there is a mount to be served, else let the next command try again.
      if (!isRestarted && holder.held === undefined) throw reason
      const again = await openFromDisk(undefined, isRestarted ? undefined : reason)
      if (again !== undefined) await remount(again, wanted)
      daemon.lastError = `${what} It was started again.`
    })().catch(fail)
  }

  const openFromDisk = (passphrase?: string, death?: DriveError): Promise<Drive | undefined> =>
    waiting.insist(() => retryAfterDeath(() => openOnce(passphrase), died, deaths), death)

  const openOnce = async (passphrase?: string): Promise<Drive | undefined> => {
    if ((await readHomeFile(paths.keyFile)) === undefined) {
      state = 'no-drive'
      return undefined
    }
    const key = rootKey ?? holder.takeKey() ?? (await unlockedKey(paths.keyFile, passphrase))
    if (key === undefined) {
      state = 'locked'
      return undefined
    }
    const config = await daemon.config()
    const mustExist = await storeMustExist(config.nodeUrl, paths)
    // The drive is mounted even if the node cannot be opened now.
    return openNow(
      key,
      reopeningNode(config.nodeUrl, async () =>
        daemon.connectNode(config.nodeUrl, await daemon.nodeCredential(config.nodeUrl), { mustExist }),
      ),
      { isNew: false },
    )
  }

  const remount = async (opened: Drive, wanted: readonly RecordedMount[]): Promise<void> => {
    const problem = await remountAll(opened, wanted, log)
    if (problem !== undefined) daemon.lastError = problem
  }

  const remountRecorded = async (opened: Drive | undefined): Promise<void> => {
    if (opened !== undefined) await remount(opened, await readMountRecord(paths.mountsFile, log))
  }

  /** One opening at a time; `requireDrive` waits for it. */
  const exclusively = <T>(action: () => Promise<T>): Promise<T> => {
    if (waiting.problem !== undefined) return Promise.reject(waiting.problem)
    const run = opening.catch(() => undefined).then(action)
    opening = run.catch(() => undefined)
    return run
  }

  const daemon: Daemon = {
    get state() {
      return waiting.problem === undefined ? state : 'opening'
    },
    lastError: undefined,
    losses,
    deadMounts: new DeadMounts(paths.mountsFile, log),
    waiting,
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
      await (await this.requireOpen()).takingOver?.settled()
      return this.requireOpen()
    },
    async requireOpen() {
      await Promise.race([opening, waiting.begun])
      if (waiting.problem !== undefined) throw waiting.problem
      // The cause may be gone, for example a full disk or a missing directory.
      if (state === 'failed') await exclusively(openFromDisk)
      if (drive !== undefined && state === 'open') return drive
      throw notOpen(state, failure)
    },
    start: () =>
      exclusively(async () => {
        try {
          if (options.leaveMounts) await daemon.deadMounts.detach(holder.held?.directory)
          await remountRecorded(await openFromDisk())
        } catch (error) {
          if (state !== 'failed') fail(error)
        }
        if (state === 'open') return
        await dropHeldMount(holder, losses)
        if (options.leaveMounts) await daemon.deadMounts.detach()
      }),
    settled: async () => void (await opening),
    async giveUpWaiting() {
      await Promise.race([opening, waiting.begun])
      if (waiting.problem === undefined) return
      waiting.giveUp()
      await opening.catch(() => undefined)
      await dropHeldMount(holder, losses)
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
    release: (wanted, prove, work) =>
      exclusively(async () => {
        if (drive !== wanted) throw new DriveError('BUSY', 'The drive was opened again meanwhile. Try again.')
        await wanted.refuseMounts()
        drive = undefined
        await closeProven(wanted, prove, openFromDisk)
        rootKey = undefined
        await work().catch((error: unknown) => Promise.reject(fail(error)))
        state = 'no-drive'
      }),
    async connectNode(address, credential, how = {}) {
      const [{ nodeUrl }, { version }, mounts] = [await daemon.config(), options, drive?.mounts ?? []]
      return connectNode({ paths, nodeUrl, log, version, mounts }, address, credential, how)
    },
    nodeCredential: (address, key) => nodeCredential(paths.nodeKeyFile, address, key),
    config: () => readConfig(paths),
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
