/** The current phase of sync, and the listeners to changes of the status. */
import type { Clock } from '../../base/index.js'
import { isAnyUnreadable } from '../../commits/index.js'
import type { Checks } from '../check/checks.js'
import type { MissingAtNode } from '../lying-node/missing-blocks.js'
import type { SyncPhase, SyncStatus } from '../contract.js'
import type { DrivePublisher } from '../drive-publisher.js'
import type { SyncState } from '../state/sync-state.js'
import type { BackOff } from './back-off.js'
import { implausibleClock } from './implausible-clock.js'
import type { NodeHealth } from './node-health.js'
import type { Progress } from './progress.js'
import { statusOf } from './status-of.js'

const PROGRESS_EVERY_MS = 200
const UNREADABLE =
  'Entries that another device published cannot be read and are not shown. New versions keep them as they are. `dagdrive fsck` names them.'

/** In these phases, the node has the published version. */
const WITH_BASE: ReadonlySet<SyncPhase> = new Set(['idle', 'waiting', 'building', 'settling'])
const LOST_BY_NODE =
  'The node no longer has the published version. It is sent again from this machine; until then it is not safe there.'

export interface ReportingParts {
  readonly clock: Pick<Clock, 'monotonicMs' | 'nowMs'>
  readonly state: Pick<SyncState, 'head' | 'plan' | 'tables'>
  readonly publisher: Pick<DrivePublisher, 'newer' | 'warnings'>
  readonly progress: Progress
  readonly backOff: BackOff
  readonly health: NodeHealth
  readonly checks: Pick<Checks, 'warnings' | 'status'>
  readonly missing: Pick<MissingAtNode, 'warnings'>
}

export class Reporting {
  readonly #parts: ReportingParts
  readonly #listeners = new Set<(status: SyncStatus) => void>()
  #phase: SyncPhase = 'idle'
  #isLostByNode = false
  #lastEmitMs = -Infinity
  #hasUnreadable = false

  constructor(parts: ReportingParts) {
    this.#parts = parts
  }

  status(): SyncStatus {
    const { clock, state, publisher, checks, missing, ...parts } = this.#parts
    const implausible = implausibleClock(clock.nowMs())
    // The environment may be closed by then.
    if (this.#phase !== 'closed') this.#hasUnreadable = isAnyUnreadable(state.tables)
    return statusOf({
      ...parts,
      phase: this.#phase,
      head: state.head,
      plan: state.plan,
      newer: publisher.newer,
      isLostByNode: this.#isLostByNode,
      warnings: [
        ...(implausible === undefined ? [] : [implausible]),
        ...publisher.warnings,
        ...(this.#isLostByNode ? [LOST_BY_NODE] : []),
        ...(this.#hasUnreadable ? [UNREADABLE] : []),
        ...checks.warnings,
        ...missing.warnings,
      ],
      scrub: checks.status,
    })
  }

  get phase(): SyncPhase {
    return this.#phase
  }

  enter(phase: SyncPhase): void {
    if (phase === this.#phase) return
    // A failure stays visible until the next success.
    if ((phase === 'idle' || phase === 'waiting') && this.#parts.backOff.lastError !== undefined) return
    this.#phase = phase
    if (phase === 'restoring') this.#isLostByNode = true
    else if (WITH_BASE.has(phase)) this.#isLostByNode = false
    this.#parts.health.look()
    this.changed()
  }

  /** @returns a function that ends the listening */
  listen(listener: (status: SyncStatus) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  changed(): void {
    this.#lastEmitMs = this.#parts.clock.monotonicMs()
    const status = this.status()
    for (const listener of this.#listeners) listener(status)
  }

  /** Like `changed`, for frequent changes: listeners are called a few times a second. */
  progressed(): void {
    if (this.#parts.clock.monotonicMs() - this.#lastEmitMs >= PROGRESS_EVERY_MS) this.changed()
  }
}
