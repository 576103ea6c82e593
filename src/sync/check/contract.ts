/** The request, the findings and the report of a check of the drive. */
import type { Digest } from '../../base/index.js'
import type { CidText } from '../../node/index.js'

/** One defect. The blocks of one file share one finding for each place, kind and outcome. */
export interface CheckFinding {
  /** `here`: on this machine. `node`: on the node. */
  readonly where: 'here' | 'node'
  /**
   * `unpinned`: a pin or a link of the pin tree is missing. `name`: the target of an entry or of a name record is
   * missing.
   */
  readonly kind: 'missing' | 'damaged' | 'unpinned' | 'name'
  readonly what: 'block' | 'directory' | 'chunk list' | 'entry' | 'record' | 'version' | 'pin tree' | 'pin' | 'name'
  /**
   * Relative to the root of the drive, as text; it may contain any characters. Undefined if the finding concerns no
   * single file.
   */
  readonly path: string | undefined
  readonly fileId: string | undefined
  /** CID of the first block. */
  readonly cid: CidText | undefined
  readonly blocks: number
  /** `open`: it can be repaired, or its outcome is not known yet. `lost`: no good copy was found. */
  readonly outcome: 'open' | 'healed' | 'lost'
}

export interface CheckProgress {
  readonly phase: 'here' | 'node' | 'repair' | 'tree'
  readonly done: number
  /** 0 if not known. */
  readonly total: number
}

export interface CheckRequest {
  readonly repair: boolean
  /** Whether to check the node as well. Without it, the node is used for repairs only. */
  readonly node: boolean
  readonly signal: AbortSignal
  readonly onFinding: (finding: CheckFinding) => void
  readonly onProgress: (progress: CheckProgress) => void
}

export interface CheckReport {
  /** Number of blocks that were read. */
  readonly checkedHere: number
  readonly checkedNode: number
  /** Number of findings by outcome. */
  readonly open: number
  readonly healed: number
  readonly lost: number
}

/** Durable progress of the current scrub pass. */
export interface ScrubPosition {
  /** The node that is read; a pass at another node starts from the beginning. */
  readonly node?: string | undefined
  /** Blocks with an eviction tick up to this one were checked. */
  readonly evictedAfter: number
  /** Digests up to this one were checked. */
  readonly liveAfter: Uint8Array | undefined
  readonly checked: number
  /** Wall-clock time at which the last pass ended. */
  readonly endedMs: number | undefined
  /** Whether a pass has started and not ended. */
  readonly isRunning: boolean
}

/** What is known of the repairs at one node. */
export interface RepairRounds {
  /** The node that confirmed the version. */
  readonly node: string | undefined
  /** Rounds in a row in which every block that was sent came back damaged. */
  readonly fruitless: number
  /** The version at the last round. A round has ended when another one is published. */
  readonly root: Digest
}

/** State of the scrub, and the damage found by any check, as `status` shows it. */
export interface ScrubStatus {
  readonly isRunning: boolean
  /** Blocks read in this pass, or in the last one if none is running. */
  readonly checked: number
  readonly endedMs: number | undefined
  /** Blocks that are damaged on the node and not repaired yet. */
  readonly open: number
  /** Blocks that are damaged on the node and have no good copy here. */
  readonly lost: number
  /** How many of these the node lacks; the others are damaged. */
  readonly missing: number
}

/** What of a store that the drive left the configured node has not confirmed: numbers, all 0 if nothing is missing. */
export interface Unconfirmed {
  readonly heads: number
  /** Versions that are kept, and are neither pinned on the node nor replaced by one that is. */
  readonly versions: number
  /** Blocks of these versions that the node lacks, or returns damaged. */
  readonly blocks: number
}
