/**
 * The latest events of an open drive, by sequence number, and those who wait for more. Memory is bounded; a slow reader
 * is told what it missed.
 */
import type { Events, FileEvent } from './contract.js'

const MOST_KEPT = 10_000

export type NewEvent = Omit<FileEvent, 'sequence'>

export class EventLog {
  /** Sequence number of `#kept[0]`. */
  #first = 1
  #kept: FileEvent[] = []
  readonly #waiting = new Set<() => void>()

  append(events: readonly NewEvent[]): void {
    for (const event of events) this.#kept.push({ sequence: this.#first + this.#kept.length, ...event })
    if (this.#kept.length > 2 * MOST_KEPT) {
      this.#first += this.#kept.length - MOST_KEPT
      this.#kept = this.#kept.slice(-MOST_KEPT)
    }
    for (const wake of this.#waiting) wake()
  }

  /** The number the next event will have. */
  get next(): number {
    return this.#first + this.#kept.length
  }

  /** @param from a sequence number; 0 stands for `next` */
  since(from: number, limit: number): Events {
    const start = from === 0 ? this.next : Math.max(from, this.#first)
    const events = this.#kept.slice(start - this.#first, start - this.#first + limit)
    return { events, next: start + events.length, isIncomplete: from !== 0 && from < this.#first }
  }

  /** Resolves when something is appended, after `waitMs`, or when `signal` fires. */
  changed(waitMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(wake)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      const timer = setTimeout(wake, waitMs)
      this.#waiting.add(wake)
      signal?.addEventListener('abort', wake, { once: true })
      if (signal?.aborted === true) wake()
    })
  }

  /** Whoever waits is answered at once. */
  close(): void {
    for (const wake of this.#waiting) wake()
  }
}
