import type { Digest } from '../../base/index.js'
import type { Block } from '../contract.js'
import { corrupt } from '../corrupt.js'
import { decodeLinks, linksBlock } from '../pin-tree/links-block.js'

/**
 * The block that pins and IPNS records point to. It links the sealed commit and the pin tree of all blocks the version
 * needs.
 */
export interface VersionRoot {
  /** Raw block. */
  readonly commit: Digest
  /** dag-pb block. */
  readonly forest: Digest
}

export function versionRootBlock(root: VersionRoot): Block {
  return linksBlock([
    { digest: root.commit, codec: 'raw' },
    { digest: root.forest, codec: 'dag-pb' },
  ])
}

/** The inverse of `versionRootBlock`; CORRUPT for any other block. */
export function decodeVersionRoot(bytes: Uint8Array): VersionRoot {
  const [commit, forest, ...more] = decodeLinks(bytes)
  if (commit?.codec !== 'raw' || forest?.codec !== 'dag-pb' || more.length > 0)
    throw corrupt('a version root has the wrong links')
  return { commit: commit.digest, forest: forest.digest }
}
