/** Builds the `status` report from the state of the parts. Pure. */
import { fileURLToPath } from 'node:url'
import type { CopyReport, LevelReport, LevelsReport, NodeReport, QueueReport } from '../../api/index.js'
import { shellWord, type WireError } from '../../base/index.js'
import { isOfThisMachine, type NodeStatus } from '../../node/index.js'
import type { DriveCounts } from '../../tree-state/index.js'
import type { SyncStatus } from '../../sync/index.js'

/** Counts every file and byte once, at the highest level it has reached. */
export function levelsReportOf(counts: DriveCounts, sync: SyncStatus): LevelsReport {
  const { held, staged, total, isPartial } = counts
  const stored = storedOf(counts, sync)
  const rest = (which: 'files' | 'bytes'): number => Math.max(0, total[which] - held[which] - staged[which])
  const others = { files: rest('files'), bytes: rest('bytes') }
  // What the node has lost is at most here.
  const [lost, published] = sync.isLostByNode ? [others, NONE] : [NONE, others]
  return {
    held: { files: held.files, bytes: held.bytes },
    staged: { files: staged.files - stored.files + lost.files, bytes: staged.bytes - stored.bytes + lost.bytes },
    stored,
    published,
    isPartial,
  }
}

const NONE: LevelReport = { files: 0, bytes: 0 }

/**
 * Confirmed blocks still count as staged until a published version includes them. A file is stored when the node has
 * confirmed all blocks of the version: before that, any of its blocks may be missing.
 */
function storedOf({ frozen }: DriveCounts, { phase, sequence, bytes }: SyncStatus): LevelReport {
  if (!SENT_PHASES.has(phase) || sequence !== frozen.sequence) return { files: 0, bytes: 0 }
  if (phase !== 'uploading') return { files: frozen.files, bytes: frozen.bytes }
  return { files: 0, bytes: bytes.total === 0 ? 0 : Math.floor((frozen.bytes * bytes.done) / bytes.total) }
}

const SENT_PHASES: ReadonlySet<SyncStatus['phase']> = new Set(['uploading', 'pinning', 'naming', 'settling'])

/** Places that hold everything published. The local cache is not one, because it may be evicted. */
export function copiesOf(sync: SyncStatus, node: NodeReport): CopyReport[] {
  const { published, isLostByNode, scrub } = sync
  const isWhole = published !== undefined && !isLostByNode && scrub.open + scrub.lost === 0
  return isWhole ? [{ where: node.where, sameMachine: node.sameMachine }] : []
}

export function nodeReportOf(status: NodeStatus): NodeReport {
  return {
    kind: status.kind,
    where: status.where,
    sameMachine: status.sameMachine,
    state: 'reachable',
    version: status.version,
    peerId: status.peerId,
    lastError: undefined,
    knownForMs: 0,
  }
}

/** @param address as configured; used until the node answers */
export function nodeReportFrom(sync: SyncStatus, address: string, embeddedAt: string): NodeReport {
  const known = sync.node.status
  const isLocal = address === 'embedded' || address.startsWith('file:')
  const base: NodeReport =
    known === undefined
      ? {
          kind: address === 'embedded' ? 'embedded' : isLocal ? 'folder' : 'kubo',
          where: address === 'embedded' ? embeddedAt : isLocal ? fileURLToPath(address) : address,
          sameMachine: isOfThisMachine(address),
          state: 'unknown',
          version: undefined,
          peerId: undefined,
          lastError: undefined,
          knownForMs: undefined,
        }
      : { ...nodeReportOf(known), sameMachine: isOfThisMachine(address) }
  const { state, error, ageMs } = sync.node
  return { ...base, state, lastError: error, knownForMs: ageMs === undefined ? undefined : Math.round(ageMs) }
}

/** @param nowMs Clock.nowMs */
export function queueReportOf(counts: DriveCounts, sync: SyncStatus, nowMs: number): QueueReport {
  return {
    // Sync hears of changes with a delay, so there may be changes while it is idle.
    state: sync.phase === 'idle' && counts.dirtyInodes > 0 ? 'waiting' : QUEUE_STATES[sync.phase],
    changed: counts.dirtyInodes,
    bytes: counts.held.bytes + counts.staged.bytes,
    nextTryMs: sync.nextTryMs === undefined ? undefined : Math.max(0, sync.nextTryMs - nowMs),
    lastError: sync.lastError?.message,
  }
}

/** The error that blocks the queue until somebody acts. */
export function stoppedBy({ phase, lastError }: SyncStatus): WireError | undefined {
  return phase === 'refused' && lastError !== undefined ? { ...lastError, about: {} } : undefined
}

/** @param movingTo from the configuration */
export function warningsOf(sync: SyncStatus, movingTo: string | undefined): string[] {
  if (movingTo === undefined) return [...sync.warnings]
  return [
    ...sync.warnings,
    `Moving the drive to ${movingTo} was interrupted, so it keeps its node. To continue: \`dagdrive node set ${shellWord(movingTo)}\`.`,
  ]
}

const QUEUE_STATES: Readonly<Record<SyncStatus['phase'], QueueReport['state']>> = {
  idle: 'idle',
  waiting: 'waiting',
  preparing: 'uploading',
  restoring: 'uploading',
  building: 'uploading',
  uploading: 'uploading',
  pinning: 'uploading',
  naming: 'uploading',
  settling: 'uploading',
  retrying: 'retrying',
  refused: 'stopped',
  paused: 'stopped',
  closed: 'stopped',
}
