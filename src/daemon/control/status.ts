/** From what the parts know to what `status` says. Pure. */
import { fileURLToPath } from 'node:url'
import type { CopyReport, LevelsReport, NodeReport, QueueReport } from '../../api/index.js'
import type { WireError } from '../../base/index.js'
import type { NodeStatus } from '../../node/index.js'
import type { DriveCounts } from '../../tree-state/index.js'
import type { SyncStatus } from '../../sync/index.js'

/** Every file and byte once, at the highest level it has reached. */
export function levelsReportOf(counts: DriveCounts, sync: SyncStatus): LevelsReport {
  const sent = SENT_PHASES.has(sync.phase) ? { files: sync.files.done, bytes: sync.bytes.done } : { files: 0, bytes: 0 }
  // What the node has confirmed is part of what is staged until a published version names it.
  const stored = { files: Math.min(sent.files, counts.staged.files), bytes: Math.min(sent.bytes, counts.staged.bytes) }
  const rest = (which: 'files' | 'bytes'): number =>
    Math.max(0, counts.total[which] - counts.held[which] - counts.staged[which])
  return {
    held: { files: counts.held.files, bytes: counts.held.bytes },
    staged: { files: counts.staged.files - stored.files, bytes: counts.staged.bytes - stored.bytes },
    stored,
    published: { files: rest('files'), bytes: rest('bytes') },
  }
}

const SENT_PHASES: ReadonlySet<SyncStatus['phase']> = new Set(['uploading', 'pinning', 'naming', 'settling'])

/** Places that hold everything published; our own cache is not one, as it may be evicted. */
export function copiesOf(sync: SyncStatus, node: NodeReport): CopyReport[] {
  return sync.published === undefined ? [] : [{ where: node.where, sameMachine: node.sameMachine }]
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

/** @param address as configured; used while the node has not answered yet */
export function nodeReportFrom(sync: SyncStatus, address: string, embeddedAt: string): NodeReport {
  const known = sync.node.status
  const isLocal = address === 'embedded' || address.startsWith('file:')
  const base: NodeReport =
    known === undefined
      ? {
          kind: address === 'embedded' ? 'embedded' : isLocal ? 'folder' : 'kubo',
          where: address === 'embedded' ? embeddedAt : isLocal ? fileURLToPath(address) : address,
          sameMachine: isLocal,
          state: 'unknown',
          version: undefined,
          peerId: undefined,
          lastError: undefined,
          knownForMs: undefined,
        }
      : nodeReportOf(known)
  const { state, error, ageMs } = sync.node
  return { ...base, state, lastError: error, knownForMs: ageMs === undefined ? undefined : Math.round(ageMs) }
}

/** @param nowMs Clock.nowMs */
export function queueReportOf(counts: DriveCounts, sync: SyncStatus, nowMs: number): QueueReport {
  return {
    // Sync asks for changes now and then; there may be some it has not heard of.
    state: sync.phase === 'idle' && counts.dirtyInodes > 0 ? 'waiting' : QUEUE_STATES[sync.phase],
    changed: counts.dirtyInodes,
    bytes: counts.held.bytes + counts.staged.bytes,
    nextTryMs: sync.nextTryMs === undefined ? undefined : Math.max(0, sync.nextTryMs - nowMs),
    lastError: sync.lastError?.message,
  }
}

/** What keeps the queue from going on until somebody acts. */
export function stoppedBy({ phase, lastError }: SyncStatus): WireError | undefined {
  return phase === 'refused' && lastError !== undefined ? { ...lastError, about: {} } : undefined
}

/** @param movingTo of the configuration */
export function warningsOf(sync: SyncStatus, movingTo: string | undefined): string[] {
  if (movingTo === undefined) return [...sync.warnings]
  return [
    ...sync.warnings,
    `Moving the drive to ${movingTo} was cut off, so it keeps its node. To go on: \`dagdrive node set ${movingTo}\`.`,
  ]
}

const QUEUE_STATES: Readonly<Record<SyncStatus['phase'], QueueReport['state']>> = {
  idle: 'idle',
  waiting: 'waiting',
  preparing: 'uploading',
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
