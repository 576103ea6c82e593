/**
 * An opening that fails while a holder keeps the mount of a dead daemon or drive thread. Its log has what programs were
 * told is done, so the opening waits instead of giving the mount up: for space on a full disk, or for some time if the
 * drive thread dies again and again. Meanwhile commands answer.
 */
import type { MountReport } from '../../../api/index.js'
import { deferred, DriveError, fromWire, MIB, sharedAbort, sleep, toWire, type Log } from '../../../base/index.js'
import { spaceOf } from '../../../platform/index.js'

/** With less, not even the first commit of an opening is tried. */
const NEEDED_BYTES = MIB
/** Between two looks at the disk. */
const LOOK_MS = 500
/** The opening is tried after so many looks anyway: a quota is not in the free space of a disk. */
const LOOKS_A_TRY = 20
/** After too many deaths of the drive thread; doubled each time. */
const FIRST_PAUSE_MS = 5_000
const LONGEST_PAUSE_MS = 60_000

export interface OpeningWaitOptions {
  /** On the disk of the home. */
  readonly directory: string
  readonly log: Log
  /** The mount that a holder keeps; undefined: nothing is lost by a failure. */
  readonly held: () => MountReport | undefined
  /** Whether the drive thread died in the opening that failed. */
  readonly hasDied: () => boolean
  readonly freeBytes?: (directory: string) => Promise<number>
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>
}

export class OpeningWait {
  readonly #options: OpeningWaitOptions
  #problem: DriveError | undefined
  #begun = deferred<void>()
  #givenUp = sharedAbort()

  constructor(options: OpeningWaitOptions) {
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

  /**
   * Opens, and again after each wait.
   * @param death of the drive thread, if it has died too often to open at once
   * @throws any failure that no wait helps, and the last one after `giveUp`
   */
  async insist<T>(open: () => Promise<T>, death?: DriveError): Promise<T> {
    this.#givenUp = sharedAbort()
    let failure: Error | undefined = death
    try {
      for (let deaths = 0; ;) {
        if (failure !== undefined) {
          const at = this.#options.held()?.directory
          const isDeath = failure === death || this.#options.hasDied()
          if (at === undefined || !(isDeath || isFullDisk(failure)) || this.#givenUp.signal.aborted) throw failure
          const goesOn = await (isDeath ? this.#pause(at, failure, deaths++) : this.#untilSpace(at, failure))
          if (!goesOn) throw failure
        }
        try {
          return await open()
        } catch (error) {
          failure = error instanceof Error ? error : fromWire(toWire(error))
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

  #begin(problem: DriveError, failure: unknown): void {
    if (this.#problem === undefined) {
      this.#options.log.warn('a mount waits for its drive', { code: problem.code, error: toWire(failure).message })
    }
    this.#problem = problem
    this.#begun.resolve()
  }

  /** @returns false when the opening is given up */
  async #pause(at: string, failure: unknown, deaths: number): Promise<boolean> {
    const { wait = sleep } = this.#options
    const { signal } = this.#givenUp
    const ms = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** deaths)
    const message = `The mount at ${at} waits: the drive thread ended several times, and is started again ${ms / 1000} s after the last time.`
    this.#begin(new DriveError('BUSY', `${message} ${WAY_OUT}`), failure)
    await wait(ms, signal).catch(() => undefined) // given up
    return !signal.aborted
  }

  /** @returns false when the opening is given up */
  async #untilSpace(at: string, failure: unknown): Promise<boolean> {
    const { directory, freeBytes = freeBytesOf, wait = sleep } = this.#options
    const { signal } = this.#givenUp
    const message = `The mount at ${at} waits for space: the disk of ${directory} is full, and ${NEEDED_BYTES / MIB} MiB of it must be free.`
    this.#begin(new DriveError('NO_SPACE', `${message} ${WAY_OUT}`), failure)
    for (let looks = 1; looks <= LOOKS_A_TRY && !signal.aborted; looks++) {
      await wait(LOOK_MS, signal).catch(() => undefined) // given up
      if ((await freeBytes(directory).catch(() => 0)) >= NEEDED_BYTES) break
    }
    return !signal.aborted
  }
}

const WAY_OUT =
  'Nothing that programs were told is done is lost meanwhile. To give up what is not on disk yet: `dagdrive unmount --force`.'

const freeBytesOf = async (directory: string): Promise<number> => (await spaceOf(directory)).availableBytes

/** Whether a full disk or a used-up quota caused the failure. */
export function isFullDisk(error: unknown): boolean {
  const { code } = toWire(error)
  return code === 'NO_SPACE' || code === 'QUOTA'
}
