/** A node that is given and asked no more than so many bytes a second; all calls share the limit. */
import { sleep, type Clock } from '../../../src/base/index.js'
import type { CallOptions, IpfsNode, NodeBlock } from '../../../src/node/index.js'
import { around, isReadableAgain, type BlockSource } from './around.js'

export interface Limits {
  /** Bytes per second, read anew for every block, so that it can be changed live; undefined: no limit. */
  readonly upload: () => number | undefined
  readonly download: () => number | undefined
}

/** A limit lower than this would look like a node gone silent. */
const LOWEST = 16 * 1024
/** What may be sent at once after a pause, in seconds of the limit. */
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

/** Can be read again exactly when its source can, so that a wrapper inside never repeats half an import. */
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

/** Lets the next caller go when what was spent before has been paid for by time. */
class Pace {
  readonly #bytesPerSecond: () => number | undefined
  readonly #clock: Clock
  /** Monotonic milliseconds at which the account is even. */
  #evenAt = 0

  constructor(bytesPerSecond: () => number | undefined, clock: Clock) {
    this.#bytesPerSecond = bytesPerSecond
    this.#clock = clock
  }

  async ready(signal: AbortSignal | undefined): Promise<void> {
    while (this.#bytesPerSecond() !== undefined) {
      const waitMs = this.#evenAt - this.#clock.monotonicMs()
      if (waitMs <= 0) return
      // Short steps, so that a limit raised or lifted meanwhile is felt soon.
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
