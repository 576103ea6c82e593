/** A node whose failed calls are retried with exponential back-off. */
import { isDriveError, sleep, type Log, type Random } from '../../../src/base/index.js'
import type { IpfsNode } from '../../../src/node/index.js'
import { around, isReadableAgain } from './around.js'

export interface RetryingOptions {
  readonly random: Random
  readonly log?: Log
  /** Number of calls including the first; default 5. */
  readonly attempts?: number
  /**
   * The first wait. It doubles each time up to `longestMs`, and up to half of it is subtracted at random; default 250.
   */
  readonly firstMs?: number
  /** Default 10,000. */
  readonly longestMs?: number
}

/**
 * Retries OFFLINE, NODE_BUSY, NODE_ERROR, TIMEOUT and WRONG_BLOCK. Does not retry an import whose blocks can be read
 * only once, or a pin that lacks a block. Every call of the contract may be repeated, even if only its answer was lost.
 */
export function retrying(node: IpfsNode, options: RetryingOptions): IpfsNode {
  const { random, log, attempts = 5, firstMs = 250, longestMs = 10_000 } = options
  const wrapped = around(node, async (method, call, { signal } = {}) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await call()
      } catch (error) {
        if (attempt >= attempts || !canHelp(error)) throw error
        const wait = Math.min(longestMs, firstMs * 2 ** (attempt - 1))
        const waitMs = Math.round(wait * (1 - (0.5 * random.bytes(1)[0]!) / 255))
        log?.debug('retrying a call to the node', {
          method,
          attempt,
          waitMs,
          code: isDriveError(error) ? error.code : undefined,
        })
        await sleep(waitMs, signal)
      }
    }
  })
  return {
    ...wrapped,
    importBlocks: (blocks, importOptions) =>
      isReadableAgain(blocks) ? wrapped.importBlocks(blocks, importOptions) : node.importBlocks(blocks, importOptions),
  }
}

function canHelp(error: unknown): boolean {
  if (!isDriveError(error)) return false
  const isHole = error.code === 'NODE_ERROR' && 'root' in error.about
  return !isHole && (error.retry === 'backoff' || error.retry === 'when-online')
}
