/**
 * A node that a device loses permanently: the n-th call reaches the node, but its answer and every later call are lost.
 */
import { DriveError } from '../../../src/base/index.js'
import type { IpfsNode } from '../../../src/node/index.js'

export class CutOff {
  calls = 0
  isCut = false

  /** @param at the last call that reaches the node, from 1 */
  constructor(private readonly at: number) {}

  wrap(node: IpfsNode): IpfsNode {
    return new Proxy(node, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as unknown
        if (typeof value !== 'function' || name === 'close') return value
        return async (...args: unknown[]) => {
          if (this.isCut) throw gone()
          const isLast = ++this.calls === this.at
          if (isLast) this.isCut = true
          const result = (await Reflect.apply(value, target, args)) as unknown
          if (isLast) throw gone()
          return result
        }
      },
    })
  }
}

function gone(): DriveError {
  return new DriveError('OFFLINE', 'The connection is cut.')
}
