/** How a node is opened and how long it may take: what openNode is given, and the clients behind it. */
import type { Clock, Log, Random } from '../base/index.js'
import type { Listener } from './kubo/socket-tables.js'

export interface OpenNodeOptions {
  /** The drive's own folder; the embedded node lives in `node` below it. */
  readonly dataDirectory: string
  readonly clock: Clock
  readonly log: Log
  readonly random: Random
  /**
   * What the node's API asks for, in the notation of Kubo's `API.Authorizations`: `bearer:TOKEN`,
   * `basic:USER:PASSWORD`, or a bare token. Never part of the address, of an error or of a log line.
   */
  readonly credentials?: string | undefined
  /**
   * Who listened on the node's port when it was set (`listenerOf`). With credentials and plain http on this machine,
   * nothing is sent while somebody else listens there: NODE_DENIED.
   */
  readonly listener?: Listener | undefined
  /** A block store in a folder must be there already, else OFFLINE: its disk may not be connected. */
  readonly mustExist?: boolean | undefined
  /** PEM certificates to trust besides the system's, for https nodes with a private authority. */
  readonly certificateAuthority?: string | undefined
  /** Of dagdrive; sent as `User-Agent: dagdrive/<version>`. */
  readonly version?: string | undefined
  readonly timeouts?: Partial<NodeTimeouts> | undefined
  /** `allocatePages` of src/crypto: lets the embedded node write large imports past the page cache. */
  readonly allocatePages?: ((bytes: number) => Buffer | undefined) | undefined
}

/** Milliseconds without any progress after which a call gives up with TIMEOUT. */
export interface NodeTimeouts {
  readonly connectMs: number
  /** Between two signs of life of an ordinary call. */
  readonly idleMs: number
  /** For calls during which the node works in silence: import of a CAR, pins, garbage collection. */
  readonly workMs: number
  /** How long the node may look for one block. */
  readonly blockMs: number
  /** How long the node may look for a name record. */
  readonly nameMs: number
}

export const DEFAULT_TIMEOUTS: NodeTimeouts = {
  connectMs: 10_000,
  idleMs: 30_000,
  workMs: 120_000,
  blockMs: 20_000,
  nameMs: 10_000,
}
