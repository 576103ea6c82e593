/**
 * Requests that the kernel sent an INTERRUPT for. The kernel sends it for any signal, once per request. A program that
 * handles the signal still expects the answer: on a local disk no call on a regular file fails with EINTR. So only a
 * caller with a pending SIGKILL is released. The kernel sets SIGKILL for every thread that a fatal signal ends,
 * whichever signal it was.
 */
import { readFileSync } from 'node:fs'
import type { Request } from '../protocol/request.js'

/** A caller that handled one signal may be killed later, and the kernel sends no second INTERRUPT. */
const RECHECK_MS = 100
/** Bit 8 of the masks in /proc/TID/status. */
const SIGKILL_DIGIT = 3
const SIGKILL_IN_DIGIT = 1

export class InterruptedRequests {
  readonly #onKilled: (request: Request) => void
  readonly #isKilled: (thread: number) => boolean
  readonly #waiting = new Set<Request>()
  #timer: NodeJS.Timeout | undefined

  /** @param onKilled called at most once per request, only while it is unanswered */
  constructor(onKilled: (request: Request) => void, isKilled: (thread: number) => boolean = hasPendingKill) {
    this.#onKilled = onKilled
    this.#isKilled = isKilled
  }

  /** The kernel interrupted this unanswered request. */
  add(request: Request): void {
    if (this.#isKilled(request.pid)) {
      this.#onKilled(request)
      return
    }
    this.#waiting.add(request)
    this.#timer ??= setInterval(() => this.#look(), RECHECK_MS).unref()
  }

  /** Ends the timer; `onKilled` is not called any more. */
  close(): void {
    this.#waiting.clear()
    this.#look()
  }

  #look(): void {
    for (const request of this.#waiting) {
      const isKilled = !request.answered && this.#isKilled(request.pid)
      if (request.answered || isKilled) this.#waiting.delete(request)
      if (isKilled) this.#onKilled(request)
    }
    if (this.#waiting.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

/**
 * Whether SIGKILL is pending for the thread. False when this is unknown: the caller is in another pid namespace, or
 * /proc hides it. The thread exists as long as its request waits.
 */
export function hasPendingKill(thread: number): boolean {
  if (thread === 0) return false
  try {
    return masksHaveKill(readFileSync(`/proc/${thread}/status`, 'latin1'))
  } catch {
    return false // hidden from this user
  }
}

/** @param status the text of /proc/TID/status, with its hexadecimal lines SigPnd and ShdPnd */
export function masksHaveKill(status: string): boolean {
  const masks = status.matchAll(/^(?:SigPnd|ShdPnd):\s+([0-9a-f]+)$/gm)
  return [...masks].some(([, mask]) => (parseInt(mask!.at(-SIGKILL_DIGIT)!, 16) & SIGKILL_IN_DIGIT) !== 0)
}
