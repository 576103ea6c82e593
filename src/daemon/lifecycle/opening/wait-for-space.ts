/**
 * An opening that the full disk of the home prevents while a holder keeps the mount of a killed daemon. Its log has
 * what programs were told is done, so the opening waits for space instead of giving the mount up. Meanwhile commands
 * answer.
 */
import type { MountReport } from '../../../api/index.js'
import { deferred, DriveError, MIB, sharedAbort, sleep, toWire, type Log } from '../../../base/index.js'
import { spaceOf } from '../../../platform/index.js'

/** With less, not even the first commit of an opening is tried. */
const NEEDED_BYTES = MIB
/** Between two looks at the disk. */
const LOOK_MS = 500
/** The opening is tried after so many looks anyway: a quota is not in the free space of a disk. */
const LOOKS_A_TRY = 20

export interface SpaceWaitOptions {
  /** On the disk of the home. */
  readonly directory: string
  readonly log: Log
  /** The mount that a holder keeps; undefined: nothing is lost by a failure. */
  readonly held: () => MountReport | undefined
  readonly freeBytes?: (directory: string) => Promise<number>
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>
}

export class SpaceWait {
  readonly #options: SpaceWaitOptions
  #problem: DriveError | undefined
  #begun = deferred<void>()
  #givenUp = sharedAbort()

  constructor(options: SpaceWaitOptions) {
    this.#options = options
  }

  /** Why commands cannot go on; undefined unless an opening waits. */
  get problem(): DriveError | undefined {
    return this.#problem
  }

  /** The mount that waits for a drive, if a holder keeps one. */
  get held(): readonly MountReport[] {
    const held = this.#options.held()
    return held === undefined ? [] : [held]
  }

  /** Resolves when this opening or the next one waits. */
  get begun(): Promise<void> {
    return this.#begun.promise
  }

  /** Opens, and again whenever there may be space. @throws any other failure, and NO_SPACE after `giveUp` */
  async insist<T>(open: () => Promise<T>): Promise<T> {
    this.#givenUp = sharedAbort()
    try {
      for (;;) {
        try {
          return await open()
        } catch (error) {
          const at = this.#options.held()?.directory
          if (at === undefined || !isFullDisk(error) || this.#givenUp.signal.aborted) throw error
          this.#begin(at, toWire(error).message)
          if (!(await this.#mayHaveSpace())) throw error
        }
      }
    } finally {
      if (this.#problem !== undefined) this.#begun = deferred<void>()
      this.#problem = undefined
    }
  }

  /** The opening fails with its last error. Nothing happens unless one waits. */
  giveUp(): void {
    if (this.#problem !== undefined) this.#givenUp.abort()
  }

  #begin(at: string, message: string): void {
    const { directory, log } = this.#options
    if (this.#problem === undefined) log.warn('the drive is opened when its disk has space', { error: message })
    this.#problem = new DriveError(
      'NO_SPACE',
      `The mount at ${at} waits for space: the disk of ${directory} is full, and ${NEEDED_BYTES / MIB} MiB of it must be free. ` +
        'Nothing that programs were told is done is lost meanwhile. To give up what is not on disk yet: `dagdrive unmount --force`.',
    )
    this.#begun.resolve()
  }

  /** @returns false when the opening is given up */
  async #mayHaveSpace(): Promise<boolean> {
    const { directory, freeBytes = freeBytesOf, wait = sleep } = this.#options
    const { signal } = this.#givenUp
    for (let looks = 1; looks <= LOOKS_A_TRY && !signal.aborted; looks++) {
      await wait(LOOK_MS, signal).catch(() => undefined) // given up
      if ((await freeBytes(directory).catch(() => 0)) >= NEEDED_BYTES) break
    }
    return !signal.aborted
  }
}

const freeBytesOf = async (directory: string): Promise<number> => (await spaceOf(directory)).availableBytes

/** Whether a full disk or a used-up quota caused the failure. */
export function isFullDisk(error: unknown): boolean {
  const { code } = toWire(error)
  return code === 'NO_SPACE' || code === 'QUOTA'
}
