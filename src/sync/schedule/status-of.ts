/** Builds the status that sync reports. Pure. */
import { cidOf } from '../../dag/index.js'
import type { BackOff } from './back-off.js'
import type { Newer, ScrubStatus, SyncPhase, SyncStatus } from '../contract.js'
import type { NodeHealth } from './node-health.js'
import type { Progress } from './progress.js'
import type { Head, Plan } from '../state/sync-state.js'

export interface StatusParts {
  readonly phase: SyncPhase
  readonly head: Head | undefined
  readonly plan: Plan | undefined
  readonly isLostByNode: boolean
  readonly newer: Newer | undefined
  readonly progress: Progress
  readonly backOff: BackOff
  readonly health: NodeHealth
  readonly warnings: readonly string[]
  readonly scrub: ScrubStatus
}

export function statusOf(parts: StatusParts): SyncStatus {
  const { phase, head, plan, isLostByNode, newer, progress, backOff, health, warnings, scrub } = parts
  const { lastError: error, nextTryMs } = backOff
  return {
    phase,
    ...progress.amounts,
    lastError: error && { code: error.code, message: error.message },
    nextTryMs,
    sequence: plan?.sequence,
    published: head && {
      root: cidOf(head.root, 'dag-pb'),
      height: head.commit.height,
      timeMs: head.commit.timeMs,
      deviceSlot: head.commit.deviceSlot,
      liveBlocks: head.commit.liveBlocks,
    },
    isLostByNode,
    newer: newer && { height: newer.version.commit.height, deviceName: newer.version.commit.deviceName },
    warnings,
    scrub,
    node: { state: health.state, status: health.status, ageMs: health.ageMs, error: health.error?.message },
  }
}
