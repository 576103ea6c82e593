/**
 * Blocks that the node does not have, as the drive sees them: a failure of the node. For programs, NOT_FOUND would mean
 * that a name does not exist. A directory would look empty, and a tool that mirrors it would delete its copy.
 */
import { DriveError, isDriveError } from '../../base/index.js'
import type { RemoteSource } from '../../tree-state/index.js'

export class MissingAtNode {
  #count = 0
  readonly #onMissing: () => void

  /** @param onMissing the node may have lost more than the block */
  constructor(onMissing: () => void) {
    this.#onMissing = onMissing
  }

  /** The source with NODE_ERROR in place of NOT_FOUND. */
  named(source: RemoteSource): RemoteSource {
    return {
      fetchBlocks: (...given) => source.fetchBlocks(...given).catch(this.#asNodeError),
      loadDirectory: (...given) => source.loadDirectory(...given).catch(this.#asNodeError),
      loadChunks: (...given) => source.loadChunks(...given).catch(this.#asNodeError),
    }
  }

  /** A sentence for `status`. */
  get warnings(): readonly string[] {
    if (this.#count === 0) return []
    return [
      `The node did not have a block of this drive when it was read (${this.#count} times since the drive was opened). ` +
        'Programs got an input/output error. `dagdrive fsck --node` names the files.',
    ]
  }

  readonly #asNodeError = (error: unknown): never => {
    if (!isDriveError(error, 'NOT_FOUND')) throw error
    this.#count++
    this.#onMissing()
    throw new DriveError('NODE_ERROR', 'The node does not have a block of this drive.', {
      cause: error,
      about: error.about,
    })
  }
}
