/** A node with random, repeatable failures. */
import { DriveError, seededRandom, type DriveErrorCode } from '../../../src/base/index.js'
import type { IpfsNode, NodeBlock } from '../../../src/node/index.js'
import { around, type BlockSource } from './around.js'

export interface FaultRates {
  /** 0 … 1: probability that the call is not made. */
  readonly before: number
  /** 0 … 1: probability that the call is made and its answer is lost. */
  readonly after: number
  /** 0 … 1: probability that an import stops in the middle; the blocks sent so far stay on the node. */
  readonly middle: number
}

const CODES: readonly DriveErrorCode[] = ['OFFLINE', 'TIMEOUT', 'NODE_BUSY', 'NODE_ERROR']

/** @param seed any integer but 0; print it @param rates called for each call, so that a test can end the faults */
export function faulty(node: IpfsNode, seed: number, rates: () => FaultRates): IpfsNode {
  const random = seededRandom(seed)
  const strikes = (rate: number): boolean => rate > 0 && random.next(1_000_000) < rate * 1_000_000
  const fault = (): DriveError => new DriveError(CODES[random.next(CODES.length)]!, 'An injected fault of the node.')
  const wrapped = around(node, async (_method, call) => {
    if (strikes(rates().before)) throw fault()
    const result = await call()
    if (strikes(rates().after)) throw fault()
    return result
  })
  return {
    ...wrapped,
    importBlocks: async (blocks, options) => {
      if (!strikes(rates().middle)) return wrapped.importBlocks(blocks, options)
      await node.importBlocks(beginning(blocks, random.next(64)), options)
      throw fault()
    },
  }
}

async function* beginning(blocks: BlockSource, count: number): AsyncGenerator<NodeBlock, void, undefined> {
  let left = count
  for await (const block of blocks) {
    if (left-- <= 0) return
    yield block
  }
}
