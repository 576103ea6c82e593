/** The mounts of one drive: checks directories, mounts and unmounts, and keeps the record that survives a crash. */
import type { AdoptReport, MountReport, MountRequest } from '../../api/index.js'
import { DriveError, isDriveError, toWire, type Log } from '../../base/index.js'
import type { DrivePaths } from '../../platform/index.js'
import { forceUnmount, type MountEnd } from '../../fuse/index.js'
import type { DriveWorker } from '../drive-thread/drive-worker.js'
import type { TakingOver } from './taking-over.js'
import type { RootKey } from '../../crypto/index.js'
import type { HeldMount, Holder } from './contract.js'
import { Beneath } from './adopt/beneath.js'
import { explainBusy, mountedAt } from './busy.js'
import { endByForce } from './end-by-force.js'
import { GUARDED, requireMountable, resolveFully } from './mount-directory.js'
import { mountAnswers } from './mount-answers.js'
import { readMountRecord, restoreMode, writeMountRecord, type RecordedMount } from './mount-record.js'
import { woken } from './woken.js'

export interface Mounts {
  readonly list: readonly MountReport[]
  mount(request: MountRequest): Promise<MountReport>
  /** Moves the files beneath a mount that was made with `adopt` into the drive. */
  adoptFiles(directory: string, signal: AbortSignal): Promise<AdoptReport>
  /** Restores a mount after a crash. Names beneath the mount are counted and do not prevent it. */
  remount(recorded: RecordedMount): Promise<{ readonly beneath: number }>
  /** Continues a mount whose daemon or drive thread died. */
  takeOver(held: HeldMount): Promise<void>
  /** Called after the drive thread died. A mount that a holder keeps is left for the next one, others are aborted. */
  leave(): Promise<void>
  /**
   * Afterwards nothing can be mounted, so that the drive can be closed.
   * @throws BUSY if something is mounted; then nothing is changed
   */
  refuseNew(): Promise<void>
  unmount(directory: string, options: { lazy?: boolean; force?: boolean }): Promise<void>
  waitUnmounted(directory: string, signal: AbortSignal): Promise<void>
  /** Called by the drive thread. */
  ended(mountpoint: string, end: MountEnd): void
  /**
   * Detaches every mount, even with open files. `remember`: the next daemon restores them, and the directories stay
   * guarded.
   */
  detachAll(remember: boolean): Promise<void>
}

interface Mounted {
  readonly report: MountReport
  readonly beneath: number
}

export interface MountsOptions {
  readonly worker: Pick<DriveWorker, 'thread' | 'isDead'>
  readonly holder: Holder
  /** Records operations done before a kill that a take-over could not restore. */
  readonly losses: { note(what: string): Promise<void> }
  readonly rootKey: RootKey
  readonly paths: DrivePaths
  readonly log: Log
  readonly onChanged: () => void
  /** The take-over that `takeOver` is part of. */
  readonly takingOver?: TakingOver | undefined
}

export function createMounts(options: MountsOptions): Mounts {
  const { worker, holder, losses, rootKey, paths, log, takingOver } = options
  const live = new Map<string, MountReport>()
  const waiting = new Set<() => void>()
  const hidden = new Beneath()
  let closing = false
  /** Whether the mounts will be restored: until then the directories stay guarded against writes. */
  let willReturn = false

  /** Original modes of the directories. */
  const bareModes = new Map<string, number>()
  const recorded = (report: MountReport): RecordedMount => ({ ...report, bareMode: bareModes.get(report.directory) })
  const write = (mounts: RecordedMount[]): Promise<void> => writeMountRecord(paths.mountsFile, mounts, log)
  const notWritten = (error: unknown): void =>
    log.error('the record of mounts could not be written', { error: toWire(error).message })
  /** After a change is made, a failure is only logged. The next change writes the whole record. */
  const record = async (): Promise<void> => {
    if (!closing) await write([...live.values()].map(recorded)).catch(notWritten)
  }
  const recallMode = async (directory: string): Promise<void> => {
    for (const { directory: known, bareMode } of await readMountRecord(paths.mountsFile, log)) {
      if (known === directory && bareMode !== undefined) bareModes.set(known, bareMode)
    }
  }
  const restoreDirectory = async (directory: string): Promise<void> => {
    if (willReturn) return
    // An aborted mount ends before its name is detached. The unmount then restores the mode.
    if (await restoreMode(directory, bareModes.get(directory))) bareModes.delete(directory)
  }
  const forget = (mountpoint: string): void => {
    if (!live.delete(mountpoint)) return
    holder.drop()
    void hidden.close()
    for (const wake of waiting) wake()
    options.onChanged()
    void record()
  }

  let last: Promise<unknown> = Promise.resolve()
  const oneAtATime = <T>(action: () => Promise<T>): Promise<T> => {
    const run = last.then(action)
    last = run.catch(() => undefined) // the caller gets the error
    return run
  }

  const mountNow = async (request: MountRequest, before?: RecordedMount): Promise<Mounted> => {
    if (closing) throw new DriveError('BUSY', 'The drive is being closed. Mount it again afterwards.')
    const { readOnly = false, allowOther = false, adopt = false } = request
    const wanted = { readOnly, allowOther }
    const directory = await resolveFully(request.directory)
    const existing = live.get(directory)
    if (existing !== undefined) {
      if (existing.readOnly !== readOnly || existing.allowOther !== allowOther)
        throw new DriveError('BUSY', `${directory} is mounted with other options; unmount it first.`)
      // During a take-over the thread does not serve it yet.
      if (takingOver?.isOver === false) return { report: existing, beneath: 0 }
      // Its name may have been detached (`umount -l`).
      if (await worker.thread.showAgain(directory, { again: adopt })) return { report: existing, beneath: 0 }
      forget(directory)
    }
    const [other] = live.keys()
    if (other !== undefined) throw new DriveError('BUSY', `The drive is mounted at ${other}; unmount it there first.`)
    const again = before !== undefined
    const bareMode = await requireMountable(directory, paths, { again, adopt })
    const report: MountReport = { directory, ...wanted }
    if (adopt) await hidden.open(directory)
    // A guarded directory may have an earlier mode to get back.
    if (bareMode !== undefined && (bareMode !== GUARDED || !bareModes.has(directory)))
      bareModes.set(directory, bareMode)
    if (again) await recallMode(directory)
    if (before?.bareMode !== undefined) bareModes.set(directory, before.bareMode)
    // A mount that cannot be recorded is refused, unless only space is missing.
    await write([...live.values(), report].map(recorded))
    let beneath = 0
    try {
      const sharedMemory = await holder.prepare(report)
      const how = { ...wanted, sharedMemory, logMarkFile: paths.logMarkFile, again: again || adopt }
      const mounted = await worker.thread.mount(directory, how)
      beneath = mounted.beneath
      live.set(directory, report)
      if (mounted.bareMode !== undefined && !bareModes.has(directory)) bareModes.set(directory, mounted.bareMode)
      await record()
      if (mounted.channel !== undefined) holder.keep(mounted.channel, rootKey)
      await mountAnswers(directory)
    } catch (error) {
      live.delete(directory)
      holder.drop()
      await hidden.close()
      await record()
      throw error
    }
    log.info('mounted', { readOnly })
    options.onChanged()
    return { report, beneath }
  }

  return {
    get list() {
      return [...live.values()]
    },

    mount: (request) => oneAtATime(async () => (await mountNow(request)).report),

    adoptFiles: (directory, signal) => hidden.adopt(directory, () => !live.has(directory), signal),

    remount: (before) => oneAtATime(() => mountNow(before, before)),

    async takeOver({ report, channel, sharedMemory }) {
      const { directory, readOnly, allowOther } = report
      const how = { readOnly, allowOther, sharedMemory, logMarkFile: paths.logMarkFile }
      live.set(directory, report)
      await recallMode(directory)
      const living = { mountpoint: directory, channel, sharedMemory }
      const served = await worker.thread.takeOver(living, how).catch(async (error: unknown) => {
        // The next drive thread takes the mount over.
        if (worker.isDead) throw error
        // First, because the log of operations ends with the mount.
        await losses.note(`After the daemon was killed: ${toWire(error).message}`)
        holder.drop()
        // No process will serve it: programs get errors instead of waiting forever.
        await forceUnmount(directory).catch(() => undefined) // it has already ended
        if (takingOver?.isLate === true) this.ended(directory, 'failed')
        throw error
      })
      if (served.channel !== undefined) holder.keep(served.channel, rootKey)
      log.info('the mount goes on')
    },

    refuseNew: () =>
      oneAtATime(() => {
        const [directory] = live.keys()
        if (directory !== undefined) throw mountedAt(directory)
        closing = true
        return Promise.resolve()
      }),

    async unmount(directory, { lazy = false, force = false }) {
      if (!live.has(directory)) throw new DriveError('NOT_MOUNTED', `The drive is not mounted at ${directory}.`)
      if (force) {
        // What its log has is replayed first, if it can be. A mount whose log is given up has ended with that.
        await takingOver?.giveUp()
        if (live.has(directory)) await endByForce(directory, worker)
      } else await worker.thread.unmount(directory, { lazy }).catch((error: unknown) => explainBusy(error, directory))
      log.info('unmounted', { lazy, force })
      forget(directory)
      await restoreDirectory(directory)
      await record()
    },

    async waitUnmounted(requested, signal) {
      const directory = await resolveFully(requested)
      while (live.has(directory)) {
        await woken(waiting, signal)
      }
    },

    ended(mountpoint, end) {
      if (live.has(mountpoint)) log.info('the mount has ended', { end })
      forget(mountpoint)
      void oneAtATime(() => restoreDirectory(mountpoint))
    },

    async leave() {
      if (holder.held === undefined) return this.detachAll(true)
      closing = true
      live.clear()
      for (const wake of waiting) wake()
    },

    async detachAll(remember) {
      await Promise.all([last, takingOver?.giveUp()])
      closing = true
      willReturn = remember
      for (const directory of live.keys()) {
        await worker.thread.unmount(directory, { lazy: true }).catch(async (error: unknown) => {
          // The thread is dead and nothing answers the kernel, so the connection is aborted.
          log.warn('a mount is aborted', { error: isDriveError(error) ? error.message : String(error) })
          await forceUnmount(directory)
        })
        await restoreDirectory(directory)
      }
      if (live.size > 0) holder.drop()
      live.clear()
      for (const wake of waiting) wake()
      if (!remember) await write([]).catch(notWritten)
    },
  }
}
