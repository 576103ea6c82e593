/** Progress of the current publish: amounts, speed, and remaining time. */
import type { Clock } from '../../base/index.js'
import type { SyncStatus } from '../contract.js'

type Amounts = Pick<SyncStatus, 'files' | 'blocks' | 'bytes' | 'bytesPerSecond' | 'secondsLeft'>

const NOTHING = { done: 0, total: 0 }

export class Progress {
  #files = 0
  #blocks = NOTHING
  #bytes = NOTHING
  #startedMs = 0
  /** Sent before this run: a resumed upload must not count as speed. */
  #bytesBefore = 0

  constructor(private readonly clock: Clock) {}

  begin(files: number, blocks: { readonly count: number; readonly bytes: number }): void {
    this.#files = files
    this.#blocks = { done: 0, total: blocks.count }
    this.#bytes = { done: 0, total: blocks.bytes }
    this.#bytesBefore = 0
    this.#startedMs = this.clock.monotonicMs()
  }

  /** @param wasThere the node already had these blocks */
  add(blocks: number, bytes: number, wasThere = false): void {
    this.#blocks = { ...this.#blocks, done: Math.min(this.#blocks.total, this.#blocks.done + blocks) }
    this.#bytes = { ...this.#bytes, done: Math.min(this.#bytes.total, this.#bytes.done + bytes) }
    if (wasThere) this.#bytesBefore += bytes
  }

  end(): void {
    this.#files = 0
    this.#blocks = NOTHING
    this.#bytes = NOTHING
  }

  get amounts(): Amounts {
    const { done, total } = this.#bytes
    const seconds = (this.clock.monotonicMs() - this.#startedMs) / 1000
    const rate = total > 0 && seconds > 0 ? Math.max(0, done - this.#bytesBefore) / seconds : 0
    const share = this.#blocks.total === 0 ? 0 : this.#blocks.done / this.#blocks.total
    return {
      files: { done: Math.floor(this.#files * share), total: this.#files },
      blocks: this.#blocks,
      bytes: this.#bytes,
      bytesPerSecond: Math.round(rate),
      secondsLeft: rate > 0 ? Math.ceil((total - done) / rate) : undefined,
    }
  }
}
