import type { Digest } from '../../base/index.js'
import type { Block } from '../contract.js'
import { corrupt } from '../corrupt.js'
import { decodeLinks, linksBlock } from '../pin-tree/links-block.js'

/** What a pin and an IPNS record name: the sealed commit and the forest of everything it needs. */
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

/** CORRUPT for anything `versionRootBlock` does not make. */
export function decodeVersionRoot(bytes: Uint8Array): VersionRoot {
  const [commit, forest, ...more] = decodeLinks(bytes)
  if (commit?.codec !== 'raw' || forest?.codec !== 'dag-pb' || more.length > 0)
    throw corrupt('a version root has the wrong links')
  return { commit: commit.digest, forest: forest.digest }
}
