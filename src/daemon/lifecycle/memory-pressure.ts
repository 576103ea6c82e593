/**
 * Decides when a thread collects garbage although V8 sees no need: if the process is large, and this thread has grown
 * since its last collection. Other threads collect their own memory, so a limit on the whole process would not work.
 */
import { MIB } from '../../base/index.js'

/** Resident bytes of the process below which V8 decides alone. */
const PROCESS_BYTES = 200 * MIB
/** Memory in use cannot be collected, so the next collection waits for this much more. */
const GROWTH_BYTES = 16 * MIB
/** Resident bytes of the process above which it waits for less: the daemon's bound is 400 MiB. */
const LARGE_BYTES = 300 * MIB
const GROWTH_BYTES_IF_LARGE = 8 * MIB

export class Pressure {
  #afterLast = 0

  /** @param own memory of this thread; called only if needed */
  isTooMuch(processBytes: number, own: () => number): boolean {
    if (processBytes < PROCESS_BYTES) return false
    const bytes = own()
    // V8 has collected meanwhile.
    this.#afterLast = Math.min(this.#afterLast, bytes)
    const growth = processBytes < LARGE_BYTES ? GROWTH_BYTES : GROWTH_BYTES_IF_LARGE
    return bytes >= this.#afterLast + growth
  }

  /** @param own memory of this thread after a collection */
  collected(own: number): void {
    this.#afterLast = own
  }
}
