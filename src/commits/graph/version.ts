/** A published version. */
import type { Digest } from '../../base/index.js'
import type { Commit, FetchBlock } from '../../dag/index.js'

/** A verified version: its commit opened with the drive's key, and its device's signature is valid. */
export interface Version {
  /** Digest of the version root (dag-pb). The pin and the names point to it. */
  readonly root: Digest
  readonly commit: Commit
  /** Digest of the sealed commit block. */
  readonly commitDigest: Digest
}

/** Opens versions by their roots. NOT_FOUND if the node does not have it. */
export interface VersionOpener {
  openVersion(root: Digest, fetch: FetchBlock, signal: AbortSignal | undefined): Promise<Version>
}
