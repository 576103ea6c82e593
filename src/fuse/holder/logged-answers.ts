/**
 * The results of logged operations whose answers the kernel may not have received. The kernel resends such a request,
 * and its answer is made from the log, because creating, renaming or removing cannot be repeated.
 */
import { HEADER } from '../protocol/protocol.js'
import { uniqueNumber } from '../protocol/request.js'
import type { LoggedResult, RedoLog } from './redo-log.js'

/** Each unanswered request blocks a thread of a program, so few operations can follow it. */
const MOST_ANSWERS = 4096

export class LoggedAnswers {
  readonly #given = new Map<number, LoggedResult>()

  /** Reads the log once; later entries are not included. */
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

  /** The result of the operation, if it is in the log. */
  of(unique: number): LoggedResult | undefined {
    return this.#given.get(unique)
  }
}
