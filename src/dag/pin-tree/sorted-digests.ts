import type { Digest } from '../../base/index.js'
import type { PinTreeState } from './pin-tree-build.js'

/** Range access to an ascending list of digests, in the shape of `PinTreeState.digests`. */
export function digestsWithin(sorted: readonly Digest[]): PinTreeState['digests'] {
  return function* ({ start, end }) {
    let low = 0
    for (let high = sorted.length; low < high;) {
      const middle = (low + high) >>> 1
      if (Buffer.compare(sorted[middle]!, start) < 0) low = middle + 1
      else high = middle
    }
    for (; low < sorted.length; low++) {
      const digest = sorted[low]!
      if (end !== undefined && Buffer.compare(digest, end) >= 0) return
      yield digest
    }
  }
}
