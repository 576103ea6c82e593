/** Why a single head on a node does not count. */
import type { DriveError } from '../../base/index.js'

/** The head fails the checks of credible.ts. */
export class Incredible extends Error {
  override readonly name = 'Incredible'
}

/**
 * The node does not have the version. One of at most the height of a version that it has was superseded, or never was,
 * and is ignored. A newer one may have been lost by the node, and is refused.
 */
export class Missing extends Error {
  override readonly name = 'Missing'

  constructor(
    readonly height: number,
    readonly refusal: DriveError,
  ) {
    super('The version is missing.')
  }
}
