/** The transport over our own addon: mounts, reads requests in batches, answers them on this thread. */
import { close } from 'node:fs'
import { DriveError, type Log } from '../../base/index.js'
import { SLOT_BYTES, type Tree } from '../../vfs/index.js'
import type { FuseMount, FuseTransport, MountEnd, MountOptions } from '../contract.js'
import { connectionOf } from '../mounts/connection.js'
import { detach } from '../mounts/detach.js'
import { dispatch } from '../operations/dispatch.js'
import { ERRNO, errnoName } from '../protocol/errno.js'
import { MAX_WRITE_BYTES } from '../operations/initialize.js'
import { findMount } from '../mounts/mount-info.js'
import { CHANNEL_MODE, type ChannelMode, type FuseNative, type NativeChannel } from './native.js'
import { askToResend, createNotifier } from './notifier.js'
import { checksPermissions, mountAgain, openMount } from './open-mount.js'
import { createJournal, KEPT_LOG_BYTES } from '../holder/journal.js'
import { keptBuffersOf } from '../holder/kept-buffers.js'
import { LoggedAnswers } from '../holder/logged-answers.js'
import { openLogMark, type OpenedLogMark } from '../holder/log-mark.js'
import { RedoLog } from '../holder/redo-log.js'
import { replay } from '../holder/replay.js'
import { HEADER_BYTES, KEPT_BUFFERS_AT, SHARED_BYTES, SharedState } from '../holder/shared-state.js'
import { Suspects } from '../holder/suspects.js'
import { MountSession } from '../operations/session.js'
import { syncMount } from '../mounts/sync-mount.js'
import { tuneMount } from '../mounts/tune-mount.js'
import { unmountServed } from '../mounts/unmount-served.js'
import { writeBack } from '../mounts/write-back.js'
import { Words } from '../protocol/words.js'

const REQUEST_BYTES = MAX_WRITE_BYTES + 8192
const ARENA_BYTES = 4 * REQUEST_BYTES
const MAX_BATCH = 64
const OUT_BYTES = 64 * 1024
const SIZES = { arenaBytes: ARENA_BYTES, requestBytes: REQUEST_BYTES, maxBatch: MAX_BATCH, outBytes: OUT_BYTES }
const DEFAULT_REQUEST_TIMEOUT_SECONDS = 600

export function createNativeTransport(addon: FuseNative, mode: ChannelMode): FuseTransport {
  const name = mode === CHANNEL_MODE.THREAD ? 'native-thread' : 'native'
  const describe = async (
    tree: Tree,
    mountpoint: string,
    served: Served,
    options: MountOptions,
  ): Promise<FuseMount> => {
    const entry = await findMount(mountpoint)
    if (entry !== undefined) {
      const keeps = served.channelToHold() !== undefined
      served.channel.abortAtExit(`/sys/fs/fuse/connections/${entry.minor}/abort`, keeps)
      await tuneMount(entry)
    }
    return {
      mountpoint,
      transport: name,
      channel: served.channelToHold(),
      release: () => served.release(),
      ended: served.ended,
      onEnd: (listener) => void served.ended.then(listener),
      ...connectionOf(mountpoint, entry),
      attach: (target) => mountAgain(addon, served.descriptor, target, options),
      async writeBack() {
        if (served.hasEnded()) return
        const top = await findMount(mountpoint)
        const isShown = top !== undefined && top.minor === entry?.minor
        await (isShown ? syncMount(addon, mountpoint) : served.writeBack(entry?.minor))
      },
      unmount: (how = {}) => {
        const isShared = options.allowOther === true
        const shown = { ...served, isShared, writeBack: () => served.writeBack(entry?.minor) }
        return unmountServed(addon, tree, { mountpoint, minor: entry?.minor }, shown, how)
      },
    }
  }
  return {
    name,
    async serve(tree, place, options, log) {
      const { mountpoint } = place
      const fd = await openMount(addon, place, options)
      return detachOnFailure(mountpoint, async () => {
        const state = options.sharedMemory === undefined ? undefined : mapState(addon, options.sharedMemory)
        const logMark = await openLogMark(options.logMarkFile)
        const served = serveDescriptor(addon, mode, fd, { tree, options, log, state, logMark })
        await served.ready
        return describe(tree, mountpoint, served, options)
      })
    },
    async takeOver(tree, living, options, log) {
      const { redo } = tree
      const state = mapState(addon, living.sharedMemory)
      if (state === undefined || redo === undefined)
        throw new DriveError('MOUNT_FAILED', 'The mount cannot be taken over.')
      const { done, failure } = await replay(state, tree, redo, log, options)
      log.info('operations of a killed daemon were replayed', { done })
      if (failure !== undefined) {
        log.error('an operation could not be replayed', { ...failure })
        const { errno, left } = failure
        throw new DriveError(
          'MOUNT_FAILED',
          `The mount cannot continue (${errnoName(errno)}): up to ${left} operations that are not yet on disk are lost.`,
        )
      }
      await askToResend(living.channel)
      const answers = new LoggedAnswers(new RedoLog(state))
      const logMark = await openLogMark(options.logMarkFile)
      const served = serveDescriptor(addon, mode, living.channel, { tree, options, log, state, logMark, answers })
      await served.ready
      return describe(tree, living.mountpoint, served, options)
    },
  }
}

function restLog(addon: FuseNative, state: SharedState): void {
  const start = HEADER_BYTES + KEPT_LOG_BYTES
  addon.releaseShared?.(state.memory, start, KEPT_BUFFERS_AT - start)
}

/** Undefined with an addon that is older than the holder. */
export function mapState(addon: FuseNative, memory: number): SharedState | undefined {
  const mapped = addon.mapShared?.(memory, SHARED_BYTES)
  return mapped instanceof ArrayBuffer ? new SharedState(mapped) : undefined
}

async function detachOnFailure<T>(mountpoint: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    await detach(mountpoint, true)
    throw error
  }
}

/** A connection that is being served. */
export interface Served {
  readonly descriptor: number
  readonly channel: NativeChannel
  /** Resolves when the handshake is done or the connection is taken over. */
  readonly ready: Promise<void>
  readonly ended: Promise<MountEnd>
  readonly hasEnded: () => boolean
  /** Whether the kernel has files open here, for whatever holds them. */
  readonly hasOpenFiles: () => boolean
  /** An abort from now on is the end of an unmount. */
  readonly noteDetached: () => void
  readonly writeBack: (minor: number | undefined) => Promise<void>
  /** The descriptor, if another server could continue the connection. */
  readonly channelToHold: () => number | undefined
  /** Ends the holding of the connection. */
  readonly release: () => void
}

interface Serving {
  readonly tree: Tree
  readonly options: MountOptions
  readonly log: Log
  readonly state: SharedState | undefined
  readonly logMark: OpenedLogMark | undefined
  /** Present for a connection that was taken over. */
  readonly answers?: LoggedAnswers
}

function serveDescriptor(addon: FuseNative, mode: ChannelMode, fd: number, serving: Serving): Served {
  const { tree, options, log, state, logMark, answers } = serving
  let onEnded: (end: MountEnd) => void = () => {}
  let over = false
  let isDetached = false
  const ended = new Promise<MountEnd>((resolve) => {
    onEnded = resolve
  })
  const onBatch = (count: number): void => {
    for (let i = 0; i < count; i++) dispatch(session, index[i * 2]!, index[i * 2 + 1]!)
  }
  const onEnd = (errno: number): void => {
    over = true
    session.end()
    logMark?.close()
    void notifier.close().then(() => {
      channel.stop()
      const isUnmount = errno === ERRNO.ENODEV || (isDetached && errno === ERRNO.ECONNABORTED)
      onEnded(isUnmount ? 'unmounted' : errno === ERRNO.ECONNABORTED ? 'aborted' : 'failed')
    })
  }
  const opened = addon.openChannel({ ...SIZES, fd, mode, onBatch, onEnd })
  if (typeof opened === 'number') {
    // Closing the last descriptor ends the connection; the caller removes the mount point.
    close(fd, () => {})
    throw new DriveError('MOUNT_FAILED', `The FUSE channel could not be opened: ${errnoName(-opened)}`)
  }
  const channel = opened
  const input = new Words(channel.memory, 0, ARENA_BYTES)
  const index = new Uint32Array(channel.memory, ARENA_BYTES, MAX_BATCH * 2)
  const output = new Words(channel.memory, ARENA_BYTES + MAX_BATCH * 8, OUT_BYTES)
  const sessionOptions = {
    writeback: options.writeback === true,
    checksPermissions: checksPermissions(options),
    requestTimeoutSeconds: options.requestTimeoutSeconds ?? DEFAULT_REQUEST_TIMEOUT_SECONDS,
  }
  const session = new MountSession(tree, { in: input, out: output, sink: channel }, sessionOptions, log)
  if (state !== undefined && tree.redo !== undefined) {
    const buffers =
      options.sharedMemory === undefined ? undefined : keptBuffersOf(tree.redo, addon.shareBytes, options.sharedMemory)
    const releaseMemory = (): void => restLog(addon, state)
    const releaseBuffer = (buffer: number): void =>
      void addon.releaseShared?.(state.memory, KEPT_BUFFERS_AT + buffer * SLOT_BYTES, SLOT_BYTES)
    const isTakenOver = answers !== undefined
    const memory = { releaseMemory, releaseBuffer, buffers }
    session.journal = createJournal(state, tree, tree.redo, { ...memory, isTakenOver, mark: logMark?.mark })
  }
  const notifier = createNotifier(fd, (on) => void channel.guard(on), log)
  session.dropAttributes = (ino) => notifier.dropAttributes(ino)
  session.dropPages = (ino, offset, length) => notifier.dropPages(ino, offset, length)
  tree.onInvalidate((what) => notifier.notify(what))
  const ready = new Promise<void>((resolve, reject) => {
    session.onInitialized = (failure) => (failure === undefined ? resolve() : reject(failure))
    if (answers === undefined || state === undefined) return
    session.takeOver(state.negotiated)
    session.answers = answers
    session.suspects = new Suspects(state.suspects, process.pid)
    session.onRefused = options.onRefused ?? session.onRefused
    resolve()
  })
  const openFiles = (): Iterable<number> => session.files.inodes()
  const channelToHold = (): number | undefined => (session.journal !== undefined && !over ? fd : undefined)
  return {
    descriptor: fd,
    channel,
    ready,
    ended,
    hasEnded: () => over,
    hasOpenFiles: () => !session.files.inodes()[Symbol.iterator]().next().done,
    noteDetached: () => {
      isDetached = true
    },
    writeBack: (minor) => writeBack({ openFiles, dropPages: session.dropPages, writes: session }, minor),
    channelToHold,
    release: () => session.withoutJournal(),
  }
}
