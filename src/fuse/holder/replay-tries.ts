/**
 * The operation that is being replayed. It was answered, and its replay may end the drive thread each time. After two
 * such deaths it is skipped (S-134). As in suspects.ts, the record lies in the memory that outlives the thread, and a
 * killed process is no sign against an operation: only deaths within one process count.
 */

const DEATHS_TO_SKIP = 2
/** `position` is being replayed while `isActive` is 1. The last `deaths` ones were at `suspect`. */
const AT = { server: 0, isActive: 1, position: 2, suspect: 3, deaths: 4 } as const
export const TRIES_NUMBERS = 5

export class ReplayTries {
  readonly #numbers: Float64Array
  readonly #server: number

  /**
   * Made once for each replay.
   * @param numbers TRIES_NUMBERS of the shared memory
   * @param server identifies this process; not 0
   */
  constructor(numbers: Float64Array, server: number) {
    this.#numbers = numbers
    this.#server = server
    if (numbers[AT.server] !== server) this.done()
    if (numbers[AT.isActive] === 0) return
    const position = numbers[AT.position]!
    numbers[AT.deaths] = numbers[AT.suspect] === position ? numbers[AT.deaths]! + 1 : 1
    numbers[AT.suspect] = position
    numbers[AT.isActive] = 0
  }

  /** Records that the replay of the entry at this position begins. @returns whether it must be skipped instead */
  skips(position: number): boolean {
    const numbers = this.#numbers
    if (numbers[AT.suspect] === position && numbers[AT.deaths]! >= DEATHS_TO_SKIP) return true
    numbers[AT.position] = position
    numbers[AT.isActive] = 1
    return false
  }

  /** No operation is being replayed. */
  done(): void {
    this.#numbers.fill(0)
    this.#numbers[AT.server] = this.#server
  }
}
