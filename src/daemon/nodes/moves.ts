/**
 * `node set`, one at a time: while one is under way the next one waits, and whatever needs to know which node
 * counts waits too.
 */
import type { NodeReport, NodeRequest, OperationContext } from '../../api/index.js'
import { unlessAborted } from '../../base/index.js'
import type { Daemon } from '../lifecycle/contract.js'
import { moveToNode } from './move-to-node.js'

type Context = OperationContext<'nodeSet'>

export interface Moves {
  /** From the moment one is asked for to its end. */
  readonly isMoving: boolean
  /** Resolves when none is under way; rejects with ABORTED. */
  settled(signal: AbortSignal): Promise<void>
  /** Runs between two of them. */
  between<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T>
  /** In the order asked. Who gives up waiting is out of it at once. */
  move(given: NodeRequest & { readonly url: string }, context: Context): Promise<NodeReport>
}

export function createMoves(daemon: Daemon): Moves {
  let last: Promise<unknown> = Promise.resolve()
  let moving = 0
  const settled = async (signal: AbortSignal): Promise<void> => {
    while (moving > 0) await unlessAborted(last, signal)
  }
  return {
    get isMoving() {
      return moving > 0
    },
    settled,
    between(work, signal) {
      const before = last
      const run = unlessAborted(before, signal).then(work)
      last = Promise.allSettled([before, run])
      return run
    },
    async move(given, context) {
      const { signal, progress } = context
      const before = last
      if (moving++ > 0) progress({ ...WAITING, lastError: 'Another `node set` is under way; this one comes after it.' })
      const run = unlessAborted(before, signal).then(() => moveToNode(daemon, given, context))
      last = Promise.allSettled([before, run]).then(() => moving--)
      return run
    },
  }
}

const WAITING = { phase: 'waiting', doneBytes: 0, totalBytes: 0, remainingMs: undefined } as const
