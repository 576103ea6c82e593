/** The mounts of one drive: where they may be, making them, ending them, and the record that survives a crash. */
import { readdir, readlink, realpath, stat } from 'node:fs/promises'
import { dirname, join, basename, resolve, sep } from 'node:path'
import type { MountReport, MountRequest } from '../../api/index.js'
import { aborted, DriveError, isDriveError, sleep, type Log } from '../../base/index.js'
import { makeDirectories, type DrivePaths } from '../../platform/index.js'
import { clearStale, forceUnmount, isStale, type MountEnd } from '../../fuse/index.js'
import type { DriveWorker } from '../drive-thread/drive-worker.js'
import type { RootKey } from '../../crypto/index.js'
import type { HeldMount, Holder } from './holder.js'
import { readMountRecord, restoreMode, writeMountRecord, type RecordedMount } from './mount-record.js'
import { busyMessage, usersOf } from './users-of.js'

const ANSWER_TIMEOUT_MS = 20_000

export interface Mounts {
  readonly list: readonly MountReport[]
  mount(request: MountRequest): Promise<MountReport>
  /** After a crash: what lies beneath is counted, and no reason to stay away. */
  mountAgain(recorded: RecordedMount): Promise<{ readonly beneath: number }>
  /** Goes on with a mount that a dead daemon or drive thread left. */
  takeOver(held: HeldMount): Promise<void>
  /** The drive thread is dead: what a holder keeps stays for the next, the rest is cut off. */
  leave(): Promise<void>
  unmount(directory: string, options: { lazy?: boolean; force?: boolean }): Promise<void>
  waitUnmounted(directory: string, signal: AbortSignal): Promise<void>
  /** Told by the drive thread. */
  ended(mountpoint: string, end: MountEnd): void
  /**
   * Every mount goes, open files or not. `remember`: the next daemon brings them back, and the directories stay
   * guarded.
   */
  detachAll(remember: boolean): Promise<void>
}

interface Mounted {
  readonly report: MountReport
  readonly beneath: number
}

export interface MountsOptions {
  readonly worker: Pick<DriveWorker, 'thread'>
  readonly holder: Holder
  readonly rootKey: RootKey
  readonly paths: DrivePaths
  readonly log: Log
  readonly onChanged: () => void
}

export function createMounts(options: MountsOptions): Mounts {
  const { worker, holder, rootKey, paths, log } = options
  const live = new Map<string, MountReport>()
  const waiting = new Set<() => void>()
  let closing = false
  /** The mounts come back: meanwhile nothing shall be written to the directories themselves. */
  let comeBack = false

  /** Of the directories themselves. */
  const bareModes = new Map<string, number>()
  const recorded = (report: MountReport): RecordedMount => ({ ...report, bareMode: bareModes.get(report.directory) })
  const record = async (): Promise<void> => {
    if (!closing) await writeMountRecord(paths.mountsFile, [...live.values()].map(recorded))
  }
  const recall = async (directory: string): Promise<void> => {
    for (const { directory: known, bareMode } of await readMountRecord(paths.mountsFile, log)) {
      if (known === directory && bareMode !== undefined) bareModes.set(known, bareMode)
    }
  }
  const uncover = async (directory: string): Promise<void> => {
    if (comeBack) return
    await restoreMode(directory, bareModes.get(directory))
    bareModes.delete(directory)
  }
  const forget = (mountpoint: string): void => {
    if (!live.delete(mountpoint)) return
    holder.drop()
    for (const wake of waiting) wake()
    options.onChanged()
    void record().catch((error: unknown) => log.error('the record of mounts was not written', { error: String(error) }))
  }

  let last: Promise<unknown> = Promise.resolve()
  const oneAtATime = <T>(action: () => Promise<T>): Promise<T> => {
    const run = last.then(action)
    last = run.catch(() => undefined) // told to whoever asked
    return run
  }

  const mountNow = async (request: MountRequest, before?: RecordedMount): Promise<Mounted> => {
    const wanted = { readOnly: request.readOnly === true, allowOther: request.allowOther === true }
    const directory = await resolveFully(request.directory)
    const existing = live.get(directory)
    if (existing !== undefined) {
      if (existing.readOnly === wanted.readOnly && existing.allowOther === wanted.allowOther)
        return { report: existing, beneath: 0 }
      throw new DriveError('BUSY', `${directory} is mounted with other options; unmount it first.`)
    }
    const other = [...live.keys()][0]
    if (other !== undefined) throw new DriveError('BUSY', `The drive is mounted at ${other}; unmount it there first.`)
    const again = before !== undefined
    await requireMountable(directory, paths, again)
    const report: MountReport = { directory, ...wanted }
    if (again) await recall(directory)
    if (before?.bareMode !== undefined) bareModes.set(directory, before.bareMode)
    await writeMountRecord(paths.mountsFile, [...live.values(), report].map(recorded))
    let beneath = 0
    try {
      const sharedMemory = await holder.prepare(report)
      const mounted = await worker.thread.mount(directory, { ...wanted, sharedMemory, again })
      const { channel } = mounted
      beneath = mounted.beneath
      live.set(directory, report)
      if (mounted.bareMode !== undefined && !bareModes.has(directory)) bareModes.set(directory, mounted.bareMode)
      await record()
      if (channel !== undefined) holder.keep(channel, rootKey)
      await answers(directory)
    } catch (error) {
      live.delete(directory)
      holder.drop()
      await record()
      throw error
    }
    log.info('mounted', { readOnly: wanted.readOnly })
    options.onChanged()
    return { report, beneath }
  }

  return {
    get list() {
      return [...live.values()]
    },

    mount: (request) => oneAtATime(async () => (await mountNow(request)).report),

    mountAgain: (before) => oneAtATime(() => mountNow(before, before)),

    takeOver: ({ report, channel, sharedMemory }) =>
      oneAtATime(async () => {
        const { directory, readOnly, allowOther } = report
        const options = { readOnly, allowOther, sharedMemory }
        live.set(directory, report)
        await recall(directory)
        const living = { mountpoint: directory, channel, sharedMemory }
        const served = await worker.thread.takeOver(living, options).catch(async (error: unknown) => {
          // Nobody will answer it: programs get errors rather than wait for ever.
          await forceUnmount(directory).catch(() => undefined) // it has gone by itself
          throw error
        })
        if (served.channel !== undefined) holder.keep(served.channel, rootKey)
        log.info('the mount goes on')
      }),

    async unmount(directory, { lazy = false, force = false }) {
      if (!live.has(directory)) throw new DriveError('NOT_MOUNTED', `The drive is not mounted at ${directory}.`)
      if (force) await forceUnmount(directory)
      else await worker.thread.unmount(directory, { lazy }).catch((error: unknown) => explain(error, directory))
      log.info('unmounted', { lazy, force })
      forget(directory)
      await uncover(directory)
      await record()
    },

    async waitUnmounted(requested, signal) {
      const directory = await resolveFully(requested)
      while (live.has(directory)) {
        await new Promise<void>((resolve, reject) => {
          const settle = (): void => {
            waiting.delete(wake)
            signal.removeEventListener('abort', onAbort)
          }
          const wake = (): void => {
            settle()
            resolve()
          }
          const onAbort = (): void => {
            settle()
            reject(aborted(signal))
          }
          waiting.add(wake)
          signal.addEventListener('abort', onAbort, { once: true })
          if (signal.aborted) onAbort()
        })
      }
    },

    ended(mountpoint, end) {
      if (live.has(mountpoint)) log.info('the mount has ended', { end })
      forget(mountpoint)
      void uncover(mountpoint)
    },

    async leave() {
      if (holder.held === undefined) return this.detachAll(true)
      closing = true
      live.clear()
      for (const wake of waiting) wake()
    },

    async detachAll(remember) {
      await last
      closing = true
      comeBack = remember
      for (const directory of live.keys()) {
        await worker.thread.unmount(directory, { lazy: true }).catch(async (error: unknown) => {
          // The thread is dead, so nobody answers the kernel: cut the connection.
          log.warn('a mount is cut off', { error: isDriveError(error) ? error.message : String(error) })
          await forceUnmount(directory)
        })
        await uncover(directory)
      }
      if (live.size > 0) holder.drop()
      live.clear()
      for (const wake of waiting) wake()
      if (!remember) await writeMountRecord(paths.mountsFile, [])
    },
  }
}

/** Of symlinks in a row, as in Linux. */
const MAX_LINKS = 40

/**
 * Absolute and without symlinks, as the kernel names mounts; what is there need not exist, and is never looked into
 * when it is a mount.
 */
export async function resolveFully(path: string, links = 0): Promise<string> {
  if (!path.startsWith(sep)) throw new DriveError('INVALID', 'A mount directory is an absolute path.')
  const parent = await realpath(dirname(path)).catch(() => {
    // The parents will be made: nothing in them can be a symlink.
    return dirname(path)
  })
  const found = path === sep ? sep : join(parent, basename(path))
  const target = links < MAX_LINKS ? await readlink(found).catch(() => undefined) : undefined // no symlink
  return target === undefined ? found : resolveFully(resolve(parent, target), links + 1)
}

/**
 * Detaches a dead mount of ours, makes the directory when it is missing; NOT_EMPTY, NOT_A_DIRECTORY, ACCESS_DENIED or
 * INVALID where it cannot carry the drive.
 */
async function requireMountable(directory: string, paths: DrivePaths, again: boolean): Promise<void> {
  for (const own of paths.directories) {
    const home = await realpath(own)
    if (within(directory, home) || within(home, directory)) {
      throw new DriveError('INVALID', `${directory} and the drive's own files in ${home} must not lie in each other.`)
    }
  }
  // A dead mount stays until the new one takes its place.
  if (again && (await isStale(directory).catch(() => false))) return
  await clearStale(directory).catch((error: NodeJS.ErrnoException) => {
    // Not there yet: nothing can be mounted on it.
    if (error.code !== 'ENOENT') throw unusable(directory, error)
  })
  const entries = await makeDirectories(directory)
    .then(() => readdir(directory))
    .catch(async (error: unknown) => {
      // It died under the question: a holder that went on too late let it go.
      if (again && (await isStale(directory).catch(() => false))) return []
      throw unusable(directory, error)
    })
  if (entries.length > 0 && !again) {
    throw new DriveError('NOT_EMPTY', `${directory} is not empty; the mount would hide what is in it.`)
  }
}

function unusable(directory: string, error: unknown): DriveError {
  if (isDriveError(error)) return error
  const { code } = error as NodeJS.ErrnoException
  return code === 'EACCES' || code === 'EPERM'
    ? new DriveError('ACCESS_DENIED', `This user may not make or enter ${directory}.`, { cause: error })
    : new DriveError('NOT_A_DIRECTORY', `${directory} could not be made a directory.`, { cause: error })
}

/** A BUSY names the programs. */
async function explain(error: unknown, directory: string): Promise<never> {
  if (!isDriveError(error, 'BUSY')) throw error
  throw new DriveError('BUSY', busyMessage(directory, await usersOf(directory)), { cause: error })
}

function within(inner: string, outer: string): boolean {
  return inner === outer || inner.startsWith(outer.endsWith(sep) ? outer : outer + sep)
}

/** Asked from a threadpool thread, so that the drive thread may take its time. */
async function answers(directory: string): Promise<void> {
  const late = new AbortController()
  try {
    await Promise.race([
      stat(directory),
      sleep(ANSWER_TIMEOUT_MS, late.signal).then(() => {
        throw new DriveError('TIMEOUT', 'The mount does not answer.')
      }),
    ])
  } catch (error) {
    if (error instanceof DriveError) throw error
    throw new DriveError('MOUNT_FAILED', 'The mount does not answer.', { cause: error })
  } finally {
    late.abort()
  }
}
