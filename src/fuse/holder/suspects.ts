/**
 * Requests that were resent to a drive thread that died before it answered them. One of them may be the cause, and
 * would end the next thread too. After two such deaths it is refused (S-118). The record lies in the memory that
 * outlives the thread. A killed process is no sign against a request: the record counts deaths within one process only.
 */

const MOST_SUSPECTS = 32
const DEATHS_TO_REFUSE = 2
/** One number for the process, then two for each request. */
export const SUSPECTS_NUMBERS = 1 + 2 * MOST_SUSPECTS

export class Suspects {
  readonly #numbers: Float64Array
  /** The deaths that each of these requests has seen. */
  readonly #deaths = new Map<number, number>()
  /** Those that came to this thread; a request may be dispatched twice. */
  readonly #seen = new Map<number, boolean>()

  /**
   * @param numbers SUSPECTS_NUMBERS of the shared memory
   * @param server identifies this process; not 0
   */
  constructor(numbers: Float64Array, server: number) {
    this.#numbers = numbers
    if (numbers[0] === server)
      for (let i = 1; i < SUSPECTS_NUMBERS; i += 2)
        if (numbers[i + 1]! > 0) this.#deaths.set(numbers[i]!, numbers[i + 1]!)
    numbers.fill(0)
    numbers[0] = server
  }

  /** Records that this thread begins the resent request. @returns whether it must be answered with an error instead */
  refuses(unique: number): boolean {
    const known = this.#seen.get(unique)
    if (known !== undefined) return known
    const deaths = this.#deaths.get(unique) ?? 0
    const isRefused = deaths >= DEATHS_TO_REFUSE
    const at = 1 + 2 * this.#seen.size
    this.#seen.set(unique, isRefused)
    if (!isRefused && at < SUSPECTS_NUMBERS) {
      this.#numbers[at] = unique
      this.#numbers[at + 1] = deaths + 1
    }
    return isRefused
  }
}
