/** The contract of an IPFS node: it stores blocks, keeps one pin per drive, and stores signed name records. */
import type { Digest } from '../base/index.js'
import type { BlockLocation, SharedPlaces } from '../storage/segments/index.js'

/** A CID as text: `b…` base32 CIDv1 for blocks, `k51…` base36 for names. */
export type CidText = string

export interface NodeBlock {
  /** Where this machine's block cache has the bytes, if it has. */
  readonly place?: BlockLocation | undefined
  readonly cid: CidText
  readonly bytes: Uint8Array
}

export interface ImportResult {
  /** The number of blocks that the node reports as imported; equals the number sent. */
  readonly blocks: number
  readonly bytes: number
}

export interface NodeStatus {
  /** `folder`: a block store at `file:///…`; `embedded`: the block store in the drive's own data folder. */
  readonly kind: 'embedded' | 'folder' | 'kubo'
  /** Its address without credentials: a path or a URL. */
  readonly where: string
  /** The data is on the same machine as the drive, so it is lost with the machine. */
  readonly sameMachine: boolean
  readonly version: string
  readonly peerId: string | undefined
  readonly blocks: number | undefined
  readonly bytes: number | undefined
}

/** The segment files of the block cache, for a store that can share them. */
export interface CacheFiles {
  pathOf(segment: number): string
  /** See `BlockStore.share`. */
  share(wanted: SharedPlaces): Promise<boolean[]>
}

/** The capabilities of a node, known before the first call. */
export interface NodeCapabilities {
  /** Its blocks are in a store of ours (embedded, or in a folder): only this program collects its garbage. */
  readonly isOwnStore: boolean
  /** That store is beside the drive's own data, on the same disk. */
  readonly isBesideData: boolean
}

export interface CallOptions {
  readonly signal?: AbortSignal
}

export interface CollectOptions {
  /**
   * The collection is skipped if garbage is a smaller share of the store than this, or if the share was measured
   * recently.
   */
  readonly leastShare?: number | undefined
  /** Blocks to keep although no pin reaches them, such as those of an upload in progress. */
  readonly keep?: ((digest: Digest) => boolean) | undefined
  /** The disk is full: segments are also rewritten where much copying frees little space. */
  readonly isThorough?: boolean | undefined
}

/**
 * Errors: OFFLINE unreachable, NODE_DENIED 403, NODE_BUSY try later, NODE_ERROR any other failure it reports, TIMEOUT,
 * WRONG_BLOCK bytes that do not match their CID, NOT_FOUND, ABORTED, NO_SPACE.
 */
export interface IpfsNode {
  readonly capabilities: NodeCapabilities
  /** Resolves only when the node has confirmed every block (the counts are compared). Pins nothing. */
  importBlocks(
    blocks: AsyncIterable<NodeBlock> | Iterable<NodeBlock>,
    options: CallOptions & {
      roots: readonly CidText[]
      /** The drive's own store takes blocks with a `place` from it without a copy, if both are on one disk. */
      cache?: CacheFiles | undefined
      onProgress?: (done: { blocks: number; bytes: number }) => void
    },
  ): Promise<ImportResult>
  /** The bytes, verified against the CID. NOT_FOUND within `timeoutMs` when the node does not have the block. */
  getBlock(cid: CidText, options?: CallOptions & { timeoutMs?: number }): Promise<Uint8Array>
  /** Those of the given blocks that the node does not have locally. */
  missing(cids: readonly CidText[], options?: CallOptions): Promise<CidText[]>
  /** Adds a recursive pin with a name. NODE_ERROR when a block below the root is missing. */
  pin(cid: CidText, options: CallOptions & { name: string }): Promise<void>
  /**
   * Pins `to` under the name of `from` and walks only the difference between them. `from` stays pinned. Fails like
   * `pin`; NOT_FOUND when neither is pinned.
   */
  updatePin(from: CidText, to: CidText, options?: CallOptions): Promise<void>
  unpin(cid: CidText, options?: CallOptions): Promise<void>
  /** Lists recursive pins; with `name`, those of exactly that name. NODE_ERROR for more than 10,000 pins. */
  listPins(options?: CallOptions & { readonly name?: string }): Promise<{ cid: CidText; name: string }[]>
  /**
   * Stores a signed IPNS record under its name. DIVERGED when the node has a different record with an equal or higher
   * sequence.
   */
  putName(name: CidText, record: Uint8Array, options?: CallOptions): Promise<void>
  /**
   * The best record that the node has, its signature by the key of the name verified. Its content may be anything.
   * NOT_FOUND when it has none.
   */
  getName(name: CidText, options?: CallOptions): Promise<Uint8Array>
  /**
   * Collects garbage: frees the blocks that no pin reaches. `CollectOptions` apply to stores of ours; other nodes
   * collect by their own rules.
   */
  collectGarbage(options?: CallOptions & CollectOptions): Promise<{ removedBlocks: number }>
  /** Checks that the node is reachable, grants access and is usable. Throws the problem. */
  check(options?: CallOptions): Promise<NodeStatus>
  /** Checks with one cheap call that the node answers and grants access. Throws the problem. */
  probe(options?: CallOptions): Promise<void>
  /**
   * The drive will not use this node. A store in a folder that this opening made is then removed by `close`, unless it
   * has a pin or a name.
   */
  abandon?(): void
  close(): Promise<void>
}
