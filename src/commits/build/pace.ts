/** Keeps a long build from blocking the event loop and from filling memory with uncommitted rows. */
import { setImmediate } from 'node:timers/promises'
import { MIB, throwIfAborted } from '../../base/index.js'
import type { Environment } from '../../storage/kv/index.js'

const STEPS_A_TURN = 64
const MOST_BYTES_A_TURN = MIB
/** Counts only keys and values; small rows take about four times as much memory. */
const MOST_PENDING_BYTES = 4 * MIB

export class Pace {
  #steps = 0
  #bytes = 0
  readonly #queue: Pick<Environment, 'pendingBytes' | 'commit'>
  readonly #signal: AbortSignal

  constructor(queue: Pick<Environment, 'pendingBytes' | 'commit'>, signal: AbortSignal) {
    this.#queue = queue
    this.#signal = signal
  }

  /**
   * Call it about once per inode. Rows written before the call may become durable.
   * @param bytes of a row that may be large
   */
  async step(bytes = 0): Promise<void> {
    this.#bytes += bytes
    if (++this.#steps % STEPS_A_TURN !== 0 && this.#bytes < MOST_BYTES_A_TURN) return
    this.#bytes = 0
    await setImmediate()
    throwIfAborted(this.#signal)
    if (this.#queue.pendingBytes > MOST_PENDING_BYTES) await this.#queue.commit()
  }
}
