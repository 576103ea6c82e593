/**
 * A mount that is being taken over from a killed daemon. The replay of its operations may need the node, or space. What
 * they ask for is asked until the node gives it, and what does not fit is tried again, because an error would lose what
 * programs were told is done. Meanwhile programs on the mount wait, and commands answer. Only the user gives it up.
 */
import {
  deferred,
  DriveError,
  sleep,
  systemClock,
  toWire,
  unlessAborted,
  type Log,
  sharedAbort,
} from '../../base/index.js'

/** Commands wait this long for a take-over before they say why they cannot go on. */
const PATIENCE_MS = 3_000
const FIRST_RETRY_MS = 200
const LAST_RETRY_MS = 2_000
/** Between two tries of an operation that needs space. */
const SPACE_RETRY_MS = 500

export class TakingOver {
  readonly #directory: string
  readonly #log: Log
  readonly #over = deferred<void>()
  /** Resolves when it is over, with success or not. */
  readonly over = this.#over.promise
  /** It takes long, or has met a failure of the node. */
  readonly #late = deferred<void>()
  readonly #givenUp = sharedAbort()
  /** Undefined before it can begin, and once it has begun. */
  #work: (() => Promise<void>) | undefined
  #hasBegun = false
  #isLate = false
  #isOver = false
  /** What the replay waits for, in sentences. */
  #problem: string | undefined

  constructor(directory: string, log: Log) {
    this.#directory = directory
    this.#log = log
  }

  /** Whether the drive was opened before its end. */
  get isLate(): boolean {
    return this.#isLate
  }

  /** Whether the mount is served, or being taken over. */
  get hasBegun(): boolean {
    return this.#hasBegun
  }

  get isOver(): boolean {
    return this.#isOver
  }

  prepare(work: () => Promise<void>): void {
    this.#work = work
  }

  /** Begins. Resolves when it is done, or when it takes long. */
  async begin(): Promise<void> {
    const done = this.#run()
    done.catch(() => undefined) // a late failure has ended the mount, and is noted as a loss
    await this.settled().catch(() => (this.#isLate = true))
    if (!this.#isLate) await done
  }

  /** Where the drive cannot be opened: replays what does not need the node, if it has not begun. */
  async rescue(): Promise<void> {
    this.#givenUp.abort()
    await this.#run().catch(() => undefined) // the drive thread logs what is lost
  }

  async #run(): Promise<void> {
    const work = this.#work
    if (work === undefined) return
    this.#work = undefined
    this.#hasBegun = true
    const cancel = systemClock.after(PATIENCE_MS, () => this.#late.resolve())
    try {
      await work()
    } finally {
      cancel()
      this.#isOver = true
      this.#over.resolve()
    }
  }

  /** Resolves when it is over, with success or not. @throws BUSY with the reason if that takes long */
  async settled(): Promise<void> {
    if (!this.#isOver) await Promise.race([this.#over.promise, this.#late.promise])
    if (!this.#isOver) throw new DriveError('BUSY', this.#reason())
  }

  /** A sentence for `status`; undefined when it is over. */
  get warning(): string | undefined {
    return this.#isOver ? undefined : this.#reason()
  }

  /**
   * Makes a request to the node. During the take-over it is repeated until it succeeds.
   * @throws ABORTED when the take-over is given up
   */
  async insist<T>(request: () => Promise<T>): Promise<T> {
    for (let waitMs = FIRST_RETRY_MS; ; waitMs = Math.min(waitMs * 2, LAST_RETRY_MS)) {
      if (this.#isOver) return request()
      try {
        const answer = await unlessAborted(request(), this.#givenUp.signal)
        this.#problem = undefined
        return answer
      } catch (error) {
        if (!this.#givenUp.signal.aborted) this.#failed(`This needs the node. ${toWire(error).message}`)
        await sleep(waitMs, this.#givenUp.signal)
      }
    }
  }

  /** The replay needs space. @returns whether to try again; false when the take-over is given up */
  async untilSpace(): Promise<boolean> {
    const { signal } = this.#givenUp
    if (!signal.aborted) this.#failed('This needs space: the disk of the home is full.')
    await sleep(SPACE_RETRY_MS, signal).catch(() => undefined) // given up
    return !signal.aborted
  }

  /** What cannot be replayed soon is lost. Resolves when it is over. */
  async giveUp(): Promise<void> {
    if (this.#hasBegun && !this.#isOver) await Promise.race([this.#over.promise, this.#late.promise])
    this.#givenUp.abort()
    if (this.#hasBegun) await this.#over.promise
  }

  #failed(message: string): void {
    if (this.#problem === undefined) this.#log.warn('the replay of operations waits', { why: message })
    this.#problem = message
    this.#late.resolve()
  }

  #reason(): string {
    const why = this.#problem === undefined ? '' : ` ${this.#problem}`
    return (
      `The mount at ${this.#directory} waits: operations of a killed daemon are being replayed.${why} ` +
      'To give up those that are not on disk yet: `dagdrive unmount --force`.'
    )
  }
}
