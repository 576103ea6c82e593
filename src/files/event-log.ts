/**
 * The latest events of an open drive by sequence number, and the readers that wait for more. Memory is bounded. A slow
 * reader, or one with a number of an earlier run, is told that events are missing.
 */
import type { Events, FileEvent } from './contract.js'

const MOST_KEPT = 10_000

export type NewEvent = Omit<FileEvent, 'sequence'>

export class EventLog {
  /** Sequence number of `#kept[0]`. */
  #first: number
  #kept: FileEvent[] = []
  readonly #waiting = new Set<() => void>()

  /** @param first a positive integer far from the numbers of earlier runs */
  constructor(first: number) {
    this.#first = first
  }

  append(events: readonly NewEvent[]): void {
    for (const event of events) this.#kept.push({ sequence: this.#first + this.#kept.length, ...event })
    if (this.#kept.length > 2 * MOST_KEPT) {
      this.#first += this.#kept.length - MOST_KEPT
      this.#kept = this.#kept.slice(-MOST_KEPT)
    }
    for (const wake of this.#waiting) wake()
  }

  /** Marks a gap: some events were missed. Earlier events are dropped. */
  skip(): void {
    this.#first = this.next + 1
    this.#kept = []
  }

  /** The sequence number of the next event. */
  get next(): number {
    return this.#first + this.#kept.length
  }

  /** @param from a sequence number; 0 means `next` */
  since(from: number, limit: number): Events {
    const isIncomplete = from !== 0 && (from < this.#first || from > this.next)
    const start = from === 0 ? this.next : isIncomplete ? this.#first : from
    const events = this.#kept.slice(start - this.#first, start - this.#first + limit)
    return { events, next: start + events.length, isIncomplete }
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

  /** Answers all waiting readers at once. */
  close(): void {
    for (const wake of this.#waiting) wake()
  }
}
