/** What a check of the drive is asked for, and what it says. */
import type { CidText } from '../../node/index.js'

/** Something that is not as it should be. Of the blocks of one file there is one finding a place, kind and outcome. */
export interface CheckFinding {
  /** On this machine or on the node. */
  readonly where: 'here' | 'node'
  /** `unpinned`: a pin, or a link of the pin tree, is not there. `name`: an entry, or a name record, leads nowhere. */
  readonly kind: 'missing' | 'damaged' | 'unpinned' | 'name'
  readonly what: 'block' | 'directory' | 'chunk list' | 'entry' | 'record' | 'version' | 'pin tree' | 'pin' | 'name'
  /** From the root of the drive, as text; it may hold any characters. Undefined where it is about no one file. */
  readonly path: string | undefined
  readonly fileId: string | undefined
  /** The first block. */
  readonly cid: CidText | undefined
  readonly blocks: number
  /** `open`: it can be repaired, or it is not known yet. `lost`: no good copy was found. */
  readonly outcome: 'open' | 'healed' | 'lost'
}

export interface CheckProgress {
  readonly phase: 'here' | 'node' | 'repair' | 'tree'
  readonly done: number
  /** 0: not known. */
  readonly total: number
}

export interface CheckRequest {
  readonly repair: boolean
  /** Also what the node holds; without it nothing is asked of it but for repairs. */
  readonly node: boolean
  readonly signal: AbortSignal
  readonly onFinding: (finding: CheckFinding) => void
  readonly onProgress: (progress: CheckProgress) => void
}

export interface CheckReport {
  /** Blocks that were read. */
  readonly checkedHere: number
  readonly checkedNode: number
  /** Findings by outcome. */
  readonly open: number
  readonly healed: number
  readonly lost: number
}

/** Durable: what the pass under way of the slow check has done. */
export interface ScrubPosition {
  /** Ticks of eviction up to here were looked at. */
  readonly evictedAfter: number
  /** Digests up to here were looked at. */
  readonly liveAfter: Uint8Array | undefined
  readonly checked: number
  /** Clock time at which the last pass ended. */
  readonly endedMs: number | undefined
  /** A pass is under way. */
  readonly isRunning: boolean
}

/** What `status` says of the slow check, and of what any check found. */
export interface ScrubStatus {
  readonly isRunning: boolean
  /** Blocks read in this pass, or in the last one. */
  readonly checked: number
  readonly endedMs: number | undefined
  /** Blocks damaged on the node and not repaired yet. */
  readonly open: number
  /** Blocks damaged on the node with no good copy here. */
  readonly lost: number
}
