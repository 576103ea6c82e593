/** Which segments hold indexed bytes that are not durable yet, and making them so before the index is committed. */
import { DriveError } from '../../base/index.js'
import { syncDirectory } from '../../platform/index.js'
import type { SegmentFiles } from './segment-files.js'

export class SegmentSync {
  readonly #dirty = new Set<number>()
  readonly #frozen = new Set<number>()
  readonly #known = new Set<number>()
  #failure: unknown

  constructor(
    private readonly directory: string,
    private readonly files: Pick<SegmentFiles, 'sync'>,
  ) {}

  /** Newly indexed bytes lie in this segment. */
  add(segment: number): void {
    this.#dirty.add(segment)
  }

  /** What is dirty now belongs to the commit being frozen. */
  freeze(): void {
    for (const segment of this.#dirty) this.#frozen.add(segment)
    this.#dirty.clear()
  }

  /**
   * Segments of the frozen commit durable, their directory entries too. After a failed sync every later one fails: Linux counts
   * the lost pages as clean from then on, so trying again would only pretend. A restart finds the last good commit.
   */
  async run(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failed()
    const segments = [...this.#frozen]
    try {
      await Promise.all(segments.map((segment) => this.files.sync(segment)))
      if (segments.some((segment) => !this.#known.has(segment))) syncDirectory(this.directory)
    } catch (error) {
      this.#failure = error
      throw this.#failed()
    }
    for (const segment of segments) {
      this.#known.add(segment)
      this.#frozen.delete(segment)
    }
  }

  #failed(): DriveError {
    return new DriveError('INTERNAL', 'Block data could not be made durable; restart the drive.', {
      cause: this.#failure,
    })
  }
}
