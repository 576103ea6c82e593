/** The contract of an IPFS node: it holds blocks, keeps one pin a drive alive and stores signed name records. */
import type { Digest } from '../base/index.js'

/** A CID as text: `b…` base32 CIDv1 for blocks, `k51…` base36 for names. */
export type CidText = string

export interface NodeBlock {
  readonly cid: CidText
  readonly bytes: Uint8Array
}

export interface ImportResult {
  /** Blocks the node says it took in; equals what was sent. */
  readonly blocks: number
  readonly bytes: number
}

export interface NodeStatus {
  /** `folder`: a block store at `file:///…`; `embedded`: the one in the drive's own data. */
  readonly kind: 'embedded' | 'folder' | 'kubo'
  /** Where it is, without credentials: a path or a URL. */
  readonly where: string
  /** The data is on the same machine as the drive, so it does not survive the loss of the machine. */
  readonly sameMachine: boolean
  readonly version: string
  readonly peerId: string | undefined
  readonly blocks: number | undefined
  readonly bytes: number | undefined
}

/** What this program may count on, known before the node is first asked. */
export interface NodeCapabilities {
  /** Its blocks lie in a store of ours (embedded, or in a folder): only this program collects its garbage. */
  readonly isOwnStore: boolean
  /** That store lies beside the drive's own data, on the same disk. */
  readonly isBesideData: boolean
}

export interface CallOptions {
  readonly signal?: AbortSignal
}

export interface CollectOptions {
  /** Nothing is done when garbage is a smaller share of the store than this, or when that was looked into just now. */
  readonly leastShare?: number | undefined
  /** Blocks that stay although no pin reaches them, such as those of an upload that goes on. */
  readonly keep?: ((digest: Digest) => boolean) | undefined
  /** The disk is full: what gives back little for much copying is done as well. */
  readonly isThorough?: boolean | undefined
}

/**
 * Errors: OFFLINE unreachable, NODE_DENIED 403, NODE_BUSY try later, NODE_ERROR anything else it said, TIMEOUT,
 * WRONG_BLOCK bytes that do not match their CID, NOT_FOUND, ABORTED, NO_SPACE.
 */
export interface IpfsNode {
  readonly capabilities: NodeCapabilities
  /** Resolves only when the node confirmed every block (count compared). Nothing is pinned by it. */
  importBlocks(
    blocks: AsyncIterable<NodeBlock> | Iterable<NodeBlock>,
    options: CallOptions & {
      roots: readonly CidText[]
      onProgress?: (done: { blocks: number; bytes: number }) => void
    },
  ): Promise<ImportResult>
  /** The bytes, verified against the CID. NOT_FOUND within `timeoutMs` when the node does not have the block. */
  getBlock(cid: CidText, options?: CallOptions & { timeoutMs?: number }): Promise<Uint8Array>
  /** Which of these blocks the node does not hold locally. */
  missing(cids: readonly CidText[], options?: CallOptions): Promise<CidText[]>
  /** One recursive pin with a name; fails with NODE_ERROR when a block below the root is missing. */
  pin(cid: CidText, options: CallOptions & { name: string }): Promise<void>
  /**
   * Pin `to` under the name of `from`, walking only what differs from it; `from` is pinned and stays so. Same failure
   * as `pin`; NOT_FOUND when neither is pinned.
   */
  updatePin(from: CidText, to: CidText, options?: CallOptions): Promise<void>
  unpin(cid: CidText, options?: CallOptions): Promise<void>
  /** Recursive pins; with `name`, those of exactly that name. NODE_ERROR for more than 10,000 of them. */
  listPins(options?: CallOptions & { readonly name?: string }): Promise<{ cid: CidText; name: string }[]>
  /**
   * Store a signed IPNS record under its name; DIVERGED when the node has a record with an equal or higher sequence and
   * other bytes.
   */
  putName(name: CidText, record: Uint8Array, options?: CallOptions): Promise<void>
  /** The best record the node knows, signature and name verified; NOT_FOUND when none. */
  getName(name: CidText, options?: CallOptions): Promise<Uint8Array>
  /** Frees what no pin reaches. `CollectOptions` are for stores of ours; other nodes collect by their own rules. */
  collectGarbage(options?: CallOptions & CollectOptions): Promise<{ removedBlocks: number }>
  /** Reachable, allowed, usable? Throws what is wrong. */
  check(options?: CallOptions): Promise<NodeStatus>
  /** One cheap call: does it answer, and does it let us in? Throws what is wrong. */
  probe(options?: CallOptions): Promise<void>
  close(): Promise<void>
}
