/**
 * Which logged operations the kernel may not have heard the answer of. It sends such a request again, and the answer is
 * made from the log: what was made, renamed or removed cannot be done twice.
 */
import { HEADER } from '../protocol/protocol.js'
import { uniqueNumber } from '../protocol/request.js'
import type { Given, RedoLog } from './redo-log.js'

/**
 * Each unanswered request has a thread of a program that waits for it, and nothing was done after it but what others
 * waited for.
 */
const MOST_ANSWERS = 4096

export class LoggedAnswers {
  readonly #given = new Map<number, Given>()

  /** Reads the log once; what is logged later is not in it. */
  constructor(log: Pick<RedoLog, 'entries'>) {
    for (const { request, sequence, ino, handle, sec, nsec } of log.entries()) {
      const low = request.readUInt32LE(HEADER.unique)
      const high = request.readUInt32LE(HEADER.unique + 4)
      this.#given.set(uniqueNumber(high, low), { sequence, ino, handle, sec, nsec })
      if (this.#given.size <= MOST_ANSWERS) continue
      for (const [oldest] of this.#given) {
        this.#given.delete(oldest)
        break
      }
    }
  }

  /** What the operation gave, if it is in the log. */
  of(unique: number): Given | undefined {
    return this.#given.get(unique)
  }
}
