/** Deaths of the drive thread: the data that each one loses, and whether the thread is restarted. */
import type { Clock } from '../../base/index.js'
import type { SkippedOperation } from '../../fuse/index.js'
import type { AtRisk } from '../../tree-state/index.js'

const MOST_DEATHS = 3
const WITHIN_MS = 60_000

export class Deaths {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  #timesMs: number[] = []

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock
  }

  /** Records a death now. @returns false after too many of them within a minute: no automatic restart */
  note(): boolean {
    const nowMs = this.#clock.monotonicMs()
    this.#timesMs = [...this.#timesMs.filter((atMs) => nowMs - atMs < WITHIN_MS), nowMs]
    return this.#timesMs.length <= MOST_DEATHS
  }
}

/**
 * Opens again if the drive thread died meanwhile: an operation that ends it in a replay is skipped after two tries.
 * @param died gets something with each death during `open`
 */
export async function retryAfterDeath<T>(
  open: () => Promise<T>,
  died: unknown[],
  deaths: Pick<Deaths, 'note'>,
): Promise<T> {
  for (;;) {
    died.length = 0
    try {
      return await open()
    } catch (error) {
      if (died.length === 0 || !deaths.note()) throw error
    }
  }
}

/** Whether a death of the drive thread lost anything. */
export const hasLost = ({ files, inodes }: AtRisk): boolean => files > 0 || inodes > 0

/** Describes the data lost by a death of the drive thread. */
export function describeLoss({ files, bytes, inodes }: AtRisk): string {
  if (!hasLost({ files, bytes, inodes })) return 'Nothing was only in its memory.'
  const held = `${files} ${files === 1 ? 'file' : 'files'} with ${bytes} bytes`
  return `Lost, because not yet on disk: ${held}, and the last changes to ${inodes} files or directories.`
}

/** @param first some of them, whose number is `total` */
export function describeSkipped(first: readonly SkippedOperation[], total: number): string {
  const names = first.map(({ what, ino }) => `${what} of inode ${ino}`).join(', ')
  const more = total > first.length ? ` and ${total - first.length} more` : ''
  return `After the daemon was killed: lost, because repeating it ended the drive thread each time, or needs what did: ${names}${more}.`
}

/** @param what the operation of a request that ended one drive thread after the other (src/fuse/holder/suspects.ts) */
export const describeRefusal = (what: string): string =>
  `A request (${what}) was not carried out: it ended the drive thread each time. Its program got an input/output error.`
