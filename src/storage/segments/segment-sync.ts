/**
 * Tracks segments whose indexed bytes are not durable yet, and syncs them before a commit of the index. After a failed
 * sync, Linux counts the lost pages as clean, so a later sync of the same file proves nothing. Such a segment stays in
 * doubt until its blocks were rewritten elsewhere. If the file could not even be opened, for lack of descriptors, it is
 * not in doubt.
 */
import { syncDirectoryLater } from '../../platform/index.js'
import type { SegmentFiles } from './segment-files.js'

/** A commit includes bytes of a segment in doubt: they were indexed after its blocks were rewritten. */
export class SegmentInDoubt extends Error {}

export class SegmentSync {
  readonly #dirty = new Set<number>()
  readonly #frozen = new Set<number>()
  /** Segments whose directory entries are durable. */
  readonly #known = new Set<number>()
  /** Segments with a failed sync in this run: bytes indexed later may be lost as well. */
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

  /** The dirty segments now belong to the commit being frozen. */
  freeze(): void {
    for (const segment of this.#dirty) this.#frozen.add(segment)
    this.#dirty.clear()
  }

  /** Segments whose blocks must be rewritten before the index may be committed. */
  get doubtful(): ReadonlySet<number> {
    return this.#doubtful
  }

  /** A sync of the segment failed in this run. */
  hasFailed(segment: number): boolean {
    return this.#failed.has(segment)
  }

  /** Bytes of the segment are indexed whose sync has not ended. */
  isPending(segment: number): boolean {
    return this.#dirty.has(segment) || this.#frozen.has(segment)
  }

  /** The segment has no indexed block any more. */
  forget(segment: number): void {
    this.#doubtful.delete(segment)
    this.#dirty.delete(segment)
    this.#frozen.delete(segment)
  }

  /**
   * Makes the segments of the frozen commit durable, with their directory entries. Rejects with the first failure,
   * after all were tried.
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
