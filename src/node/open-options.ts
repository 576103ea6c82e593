/** The options of openNode and of the node clients, including time limits. */
import type { Clock, Log, Random } from '../base/index.js'
import type { Listener } from './kubo/socket-tables.js'

export interface OpenNodeOptions {
  /** The drive's own folder; the embedded node lives in `node` below it. */
  readonly dataDirectory: string
  readonly clock: Clock
  readonly log: Log
  readonly random: Random
  /**
   * The credentials of the node's API, in the notation of Kubo's `API.Authorizations`: `bearer:TOKEN`,
   * `basic:USER:PASSWORD`. USAGE for another form. Never part of the address, of an error or of a log line.
   */
  readonly credentials?: string | undefined
  /**
   * The listener at the node's port when the node was set (`listenerOf`). With credentials and plain http on this
   * machine, nothing is sent while another listener is there: NODE_DENIED.
   */
  readonly listener?: Listener | undefined
  /** A block store in a folder must already exist, otherwise OFFLINE: its disk may not be connected. */
  readonly mustExist?: boolean | undefined
  /** PEM certificates to trust in addition to the system's, for https nodes with a private authority. */
  readonly certificateAuthority?: string | undefined
  /** The version of dagdrive; sent as `User-Agent: dagdrive/<version>`. */
  readonly version?: string | undefined
  readonly timeouts?: Partial<NodeTimeouts> | undefined
  /** `allocatePages` of src/crypto: lets the embedded node write large imports with direct I/O. */
  readonly allocatePages?: ((bytes: number) => Buffer | undefined) | undefined
}

/** A call fails with TIMEOUT after this many milliseconds without progress. */
export interface NodeTimeouts {
  readonly connectMs: number
  /** Maximum time between two bytes of an ordinary call. */
  readonly idleMs: number
  /** For calls during which the node works without output: import of a CAR, pins, garbage collection. */
  readonly workMs: number
  /** The node's search time for one block. */
  readonly blockMs: number
  /** The node's search time for a name record. */
  readonly nameMs: number
}

export const DEFAULT_TIMEOUTS: NodeTimeouts = {
  connectMs: 10_000,
  idleMs: 30_000,
  workMs: 120_000,
  blockMs: 20_000,
  nameMs: 10_000,
}
