/**
 * Which segments hold indexed bytes that are not durable yet, and making them so before the index is committed. After a
 * sync that failed, Linux counts the lost pages as clean, so a later sync of the same file proves nothing: such a
 * segment is doubtful until its blocks were written anew elsewhere. A file that could not even be opened, for lack of
 * descriptors, is not.
 */
import { syncDirectoryLater } from '../../platform/index.js'
import type { SegmentFiles } from './segment-files.js'

/** A commit has bytes of a segment in doubt: they were indexed after its blocks were written anew. */
export class SegmentInDoubt extends Error {}

export class SegmentSync {
  readonly #dirty = new Set<number>()
  readonly #frozen = new Set<number>()
  /** Their entries in the directory are durable. */
  readonly #known = new Set<number>()
  /** A sync of them failed in this run: bytes of theirs that are indexed later may have been lost as well. */
  readonly #failed = new Set<number>()
  readonly #doubtful = new Set<number>()

  constructor(
    private readonly directory: string,
    private readonly files: Pick<SegmentFiles, 'sync'>,
  ) {}

  /** Newly indexed bytes lie in this segment. */
  add(segment: number): void {
    if (this.#failed.has(segment)) this.#doubtful.add(segment)
    this.#dirty.add(segment)
  }

  /** What is dirty now belongs to the commit being frozen. */
  freeze(): void {
    for (const segment of this.#dirty) this.#frozen.add(segment)
    this.#dirty.clear()
  }

  /** Segments whose blocks have to be written anew before the index may be committed. */
  get doubtful(): ReadonlySet<number> {
    return this.#doubtful
  }

  /** A sync of the segment failed in this run. */
  hasFailed(segment: number): boolean {
    return this.#failed.has(segment)
  }

  /** No indexed block lies in the segment any more. */
  forget(segment: number): void {
    this.#doubtful.delete(segment)
    this.#dirty.delete(segment)
    this.#frozen.delete(segment)
  }

  /**
   * Segments of the frozen commit durable, their directory entries too. Rejects with the first failure, after all were
   * tried.
   */
  async run(): Promise<void> {
    const segments = [...this.#frozen]
    if (segments.some((segment) => this.#doubtful.has(segment))) throw new SegmentInDoubt('A segment is in doubt.')
    const ends = await Promise.allSettled(segments.map((segment) => this.files.sync(segment)))
    const failures = ends.flatMap((end, i) =>
      end.status === 'rejected' ? [{ segment: segments[i]!, reason: end.reason as unknown }] : [],
    )
    for (const { segment, reason } of failures) this.#failedBy(reason, [segment])
    if (failures.length > 0) throw failures[0]!.reason
    const unnamed = segments.filter((segment) => !this.#known.has(segment))
    try {
      if (unnamed.length > 0) await syncDirectoryLater(this.directory)
    } catch (error) {
      this.#failedBy(error, unnamed)
      throw error
    }
    for (const segment of segments) {
      this.#known.add(segment)
      this.#frozen.delete(segment)
    }
  }

  #failedBy(reason: unknown, segments: readonly number[]): void {
    if ((reason as NodeJS.ErrnoException | undefined)?.syscall === 'open') return
    for (const segment of segments) {
      this.#failed.add(segment)
      this.#doubtful.add(segment)
    }
  }
}
