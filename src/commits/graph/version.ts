/** A published version. */
import type { Digest } from '../../base/index.js'
import type { Commit, FetchBlock } from '../../dag/index.js'

/** Verified: its commit opened with the drive's key and the signature of its device checked. */
export interface Version {
  /** Digest of the version root (dag-pb), which the pin and the names point to. */
  readonly root: Digest
  readonly commit: Commit
  /** Digest of the sealed commit block. */
  readonly commitDigest: Digest
}

/** Opens versions by their roots. NOT_FOUND where the node has lost one. */
export interface VersionOpener {
  openVersion(root: Digest, fetch: FetchBlock, signal: AbortSignal | undefined): Promise<Version>
}
