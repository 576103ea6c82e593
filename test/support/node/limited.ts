/** A node with a limit of bytes per second, shared by all calls. */
import { sleep, type Clock } from '../../../src/base/index.js'
import type { CallOptions, IpfsNode, NodeBlock } from '../../../src/node/index.js'
import { around, isReadableAgain, type BlockSource } from './around.js'

export interface Limits {
  /** Bytes per second, read for every block, so that it can change at any time; undefined: no limit. */
  readonly upload: () => number | undefined
  readonly download: () => number | undefined
}

/** With a lower limit the node would look as if it had stopped responding. */
const LOWEST = 16 * 1024
/** Bytes that may be sent at once after a pause, in seconds of the limit. */
const BURST_SECONDS = 0.25

export function limited(node: IpfsNode, limits: Limits, clock: Clock): IpfsNode {
  const up = new Pace(limits.upload, clock)
  const down = new Pace(limits.download, clock)
  return {
    ...around(node, (_method, call) => call()),
    importBlocks: (blocks, options) => node.importBlocks(paced(blocks, up, options), options),
    getBlock: async (cid, options) => {
      await down.ready(options?.signal)
      const bytes = await node.getBlock(cid, options)
      down.spend(bytes.byteLength)
      return bytes
    },
  }
}

/** Can be read again if and only if its source can, so that a wrapper inside does not repeat half an import. */
function paced(source: BlockSource, pace: Pace, { signal }: CallOptions): AsyncIterable<NodeBlock> {
  const once = async function* (): AsyncGenerator<NodeBlock, void, undefined> {
    for await (const block of source) {
      await pace.ready(signal)
      pace.spend(block.bytes.byteLength)
      yield block
    }
  }
  return isReadableAgain(source) ? { [Symbol.asyncIterator]: once } : once()
}

/** Delays the next caller until the bytes spent so far are within the limit. */
class Pace {
  readonly #bytesPerSecond: () => number | undefined
  readonly #clock: Clock
  /** Monotonic milliseconds at which the bytes spent are within the limit. */
  #evenAt = 0

  constructor(bytesPerSecond: () => number | undefined, clock: Clock) {
    this.#bytesPerSecond = bytesPerSecond
    this.#clock = clock
  }

  async ready(signal: AbortSignal | undefined): Promise<void> {
    while (this.#bytesPerSecond() !== undefined) {
      const waitMs = this.#evenAt - this.#clock.monotonicMs()
      if (waitMs <= 0) return
      // Short steps, so that a changed limit takes effect soon.
      await sleep(Math.min(waitMs, 250), signal)
    }
  }

  spend(bytes: number): void {
    const limit = this.#bytesPerSecond()
    if (limit === undefined) {
      this.#evenAt = 0
      return
    }
    const earliest = this.#clock.monotonicMs() - BURST_SECONDS * 1000
    this.#evenAt = Math.max(this.#evenAt, earliest) + (bytes * 1000) / Math.max(limit, LOWEST)
  }
}
