/** The answer of the `status` operation, in any state of the daemon. */
import type { StatusReport } from '../../api/index.js'
import { systemClock } from '../../base/index.js'
import type { Daemon } from '../lifecycle/contract.js'
import type { Moves } from '../nodes/moves.js'
import { diskWarnings } from './disk-warning.js'
import { deadMountsOf, mayBeStaged } from './leave-locked.js'
import { nodeWarnings } from './node-warnings.js'
import { copiesOf, levelsReportOf, nodeReportFrom, queueReportOf, warningsOf } from './status.js'

/** @param startedMs when the daemon started, monotonic */
export async function daemonStatus(
  { daemon, startedMs }: { readonly daemon: Daemon; readonly startedMs: number },
  { isMoving }: Pick<Moves, 'isMoving'>,
): Promise<StatusReport> {
  const base = {
    daemon: {
      pid: process.pid,
      version: daemon.version,
      uptimeMs: Math.round(systemClock.monotonicMs() - startedMs),
      residentBytes: process.memoryUsage.rss(),
    },
  }
  // An open drive restores its mounts after a crash. The state below shows an error.
  if (daemon.state === 'opening' || daemon.state === 'open') await daemon.requireOpen().catch(() => undefined)
  const losses = await daemon.losses.show()
  const drive = daemon.drive
  if (drive === undefined || daemon.state !== 'open') {
    return {
      ...base,
      state: daemon.state,
      levels: undefined,
      copies: [],
      node: undefined,
      queue: undefined,
      cache: undefined,
      mounts: [...daemon.waiting.held, ...(await deadMountsOf(daemon))],
      ...(daemon.state === 'locked' ? { mayBeStaged: await mayBeStaged(daemon) } : {}),
      publishedHeight: undefined,
      publishedAtMs: undefined,
      newer: undefined,
      warnings: daemon.waiting.problem === undefined ? losses : [...losses, daemon.waiting.problem.message],
      lastError: daemon.lastError,
    }
  }
  const [counts, config] = await Promise.all([drive.counts(), daemon.config()])
  const sync = drive.sync.status()
  const node = nodeReportFrom(sync, config.nodeUrl, daemon.paths.embeddedNodeDirectory)
  return {
    ...base,
    state: 'open',
    levels: levelsReportOf(counts, sync),
    copies: copiesOf(sync, node),
    node,
    queue: queueReportOf(counts, sync, systemClock.nowMs()),
    cache: {
      usedBytes: counts.cacheUsedBytes,
      evictableBytes: counts.cacheEvictableBytes,
      limitBytes: config.cacheBytes,
    },
    mounts: drive.mounts,
    publishedHeight: sync.published?.height ?? 0,
    publishedAtMs: sync.published?.timeMs,
    newer: sync.newer,
    warnings: [
      ...losses,
      ...(drive.takingOver?.warning === undefined ? [] : [drive.takingOver.warning]),
      ...warningsOf(sync, isMoving ? undefined : config.movingTo),
      ...(await nodeWarnings(daemon, config.nodeUrl)),
      ...(await diskWarnings(daemon.paths.dataDirectory)),
    ],
    scrub: sync.scrub,
    lastError: daemon.lastError ?? counts.lastError ?? sync.lastError?.message,
  }
}
