/** The operations of the control socket, in terms of the daemon and its drive. */
import { timingSafeEqual } from 'node:crypto'
import type { ControlService, FsckFinding, UnmountReport, UnmountRequest } from '../../api/index.js'
import { DriveError, systemClock, throwIfAborted } from '../../base/index.js'
import { phraseOfRootKey, rootKeyOfPhrase } from '../../crypto/index.js'
import { nodeUrlOf } from '../../platform/index.js'
import { isKeptKey } from '../keys/node-keys.js'
import type { Daemon } from '../lifecycle/contract.js'
import { drain, throttled, type Drained } from './drain.js'
import type { Drive } from '../lifecycle/drive.js'
import { isKeySealed } from '../keys/key-file.js'
import { initDrive } from '../lifecycle/init.js'
import { resolveFully } from '../mounts/mount-directory.js'
import { forgetStore } from '../nodes/forget-store.js'
import { createMoves } from '../nodes/moves.js'
import { leaveLocked, mayBeStaged, openUnlessLeft } from './leave-locked.js'
import { newestDrive } from '../lifecycle/newest-drive.js'
import { daemonStatus } from './daemon-status.js'
import { stagingBeforeUnmount } from './staging-before-unmount.js'
import { withNodeWarnings } from './node-warnings.js'
import { testNode } from './test-node.js'
import { levelsReportOf, stoppedBy } from './status.js'

export interface ControlOptions {
  readonly daemon: Daemon
  readonly startedMs: number
  /** The service manager decides when the daemon exits, not the last unmount. */
  readonly stay: boolean
  /** Requests that the daemon exits after the current answer. */
  readonly endSoon: () => void
}

export function createControl(options: ControlOptions): ControlService {
  const { daemon, endSoon } = options
  const moves = createMoves(daemon)
  let mounting: Promise<unknown> = Promise.resolve()
  return {
    status: () => daemonStatus(options, moves),

    async init({ nodeUrl: wanted, ...given }, { signal }) {
      const request = wanted === undefined ? given : { ...given, nodeUrl: nodeUrlOf(wanted) }
      const report = await initDrive(daemon, request, signal)
      const { nodeUrl } = await daemon.config()
      return { ...report, node: await withNodeWarnings(daemon, nodeUrl, report.node) }
    },

    async unlock({ passphrase }) {
      if (!(await isKeySealed(daemon.paths.keyFile)))
        throw new DriveError(
          'USAGE',
          'The key of this drive has no passphrase. One can be set only when `init` or `up` makes it or opens it from its phrase. Nothing was changed.',
        )
      await daemon.unlock(passphrase)
      return { state: daemon.state }
    },

    mount(given, { signal }) {
      // Mounts run one after another: each mounts the drive that the previous one opened.
      const run = mounting.then(async () => {
        throwIfAborted(signal)
        const { drive, unknown } = await newestDrive(daemon, moves, signal)
        const report = await drive.mount(given)
        return unknown === undefined ? report : { ...report, newerUnknown: unknown }
      })
      mounting = run.catch(() => undefined) // the caller gets the error from `run`
      return run
    },

    async adoptFiles({ directory }, { signal }) {
      return (await daemon.requireDrive()).adoptFiles(await resolveFully(directory), signal)
    },

    async unmount(given, { signal, progress }) {
      if (given.force === true) await daemon.giveUpWaiting()
      const leaves = given.now === true || given.force === true
      const drive = await openUnlessLeft(daemon, given)
      if (drive === undefined) return leaveLocked(daemon, given.directory)
      // Those that the start of this daemon detached for this command.
      const detached = leaves ? daemon.deadMounts.takeDetached() : []
      const directories = await selected(drive, given, detached)
      const drainAll = (): Promise<Drained> =>
        drain(drive.sync, { signal, progress, clock: systemClock, persistent: true })
      // A drive in the middle of a replay publishes nothing. What is ended by force does not wait for a node.
      if (given.now !== true && given.force !== true && drive.takingOver === undefined) {
        // While a move runs, blocks sent to a node do not count as stored.
        await moves.settled(signal)
        await drainAll()
      }
      const stage = stagingBeforeUnmount(drive, directories)
      // First, because programs can free space on a mount, and see what they wrote.
      if (given.force !== true) {
        await drive.writeBack()
        await stage()
      }
      for (const directory of directories) await drive.unmount(directory, { force: given.force === true })
      // What cannot be staged keeps the daemon alive, which tries again.
      const isStaged = await stage()
      // Changes made during the first drain.
      const drained = given.now === true ? undefined : await drainAll()
      const report = await endIfUnmounted(drive, [...detached, ...directories], isStaged)
      return drained === 'unasked' ? { ...report, nodeAway: true } : report
    },

    async waitUnmounted({ directory }, { signal }) {
      await (await daemon.requireOpen()).waitUnmounted(directory, signal)
      return {}
    },

    async sync(_given, { signal, progress }) {
      const drive = await daemon.requireDrive()
      await moves.settled(signal)
      await drain(drive.sync, { signal, progress, clock: systemClock, persistent: false })
      const status = drive.sync.status()
      return { publishedHeight: status.published?.height ?? 0, levels: levelsReportOf(await drive.counts(), status) }
    },

    async fsck({ repair = false, node = false }, { signal, progress }) {
      const { sync } = await daemon.requireDrive()
      const onFinding = (finding: FsckFinding): void => progress({ finding })
      return sync.check({ repair, node, signal, onFinding, onProgress: throttled(progress, systemClock) })
    },

    async keyShow() {
      await daemon.requireOpen()
      return { phrase: phraseOfRootKey(requireKey(daemon)) }
    },

    async keyVerify({ phrase }) {
      await daemon.requireOpen()
      return { matches: timingSafeEqual(rootKeyOfPhrase(phrase), requireKey(daemon)) }
    },

    async nodeSet(given, context) {
      const url = nodeUrlOf(given.url)
      return withNodeWarnings(daemon, url, await moves.move({ ...given, url }, context))
    },

    async nodeKeyVerify({ url, key }) {
      return { matches: await isKeptKey(daemon.paths.nodeKeyFile, url, key) }
    },

    nodeForget: (_given, { signal, progress }) =>
      moves.between(() => forgetStore(daemon, { signal, progress: throttled(progress, systemClock) }), signal),

    nodeTest: ({ url, ...given }, { signal }) =>
      testNode(daemon, url === undefined ? given : { ...given, url: nodeUrlOf(url) }, { signal, withNames: true }),

    async stop() {
      await daemon.giveUpWaiting()
      await daemon.settled()
      const drive = daemon.drive
      await drive?.writeBack()
      await drive?.flush()
      const staged = drive === undefined ? { files: 0, bytes: 0 } : await stagedOf(drive)
      const isUnknown = await mayBeStaged(daemon)
      endSoon()
      return { staged, ...(isUnknown ? { mayBeStaged: true } : {}), endingPid: process.pid }
    },
  }

  async function endIfUnmounted(drive: Drive, unmounted: readonly string[], isStaged: boolean): Promise<UnmountReport> {
    const staged = await stagedOf(drive)
    const ends = isStaged && !options.stay && drive.mounts.length === 0
    if (ends) endSoon()
    return { unmounted, staged, stopped: stoppedBy(drive.sync.status()), endingPid: ends ? process.pid : undefined }
  }
}

async function stagedOf(drive: Drive): Promise<{ files: number; bytes: number }> {
  const counts = await drive.counts()
  // A removal or rename changes no file's bytes, but has to be published.
  const files = counts.staged.files + counts.held.files
  const unpublished = counts.dirtyInodes > 0
  return {
    files: files === 0 && unpublished ? counts.dirtyInodes : files,
    bytes: counts.staged.bytes + counts.held.bytes,
  }
}

async function selected(drive: Drive, given: UnmountRequest, detached: readonly string[]): Promise<string[]> {
  if (given.directory === undefined) return drive.mounts.map((mount) => mount.directory)
  const directory = await resolveFully(given.directory)
  if (detached.includes(directory)) return []
  if (!drive.mounts.some((mount) => mount.directory === directory)) {
    throw new DriveError('NOT_MOUNTED', `The drive is not mounted at ${directory}.`)
  }
  return [directory]
}

function requireKey(daemon: Daemon): Uint8Array {
  if (daemon.rootKey === undefined) throw new DriveError('LOCKED', 'The drive is locked; its passphrase is needed.')
  return daemon.rootKey
}
