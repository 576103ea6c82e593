/** A node that fails one call once: before it is made, or by losing its answer. All other calls succeed. */
import { DriveError, type DriveErrorCode } from '../../../src/base/index.js'
import type { IpfsNode } from '../../../src/node/index.js'

export interface OneFailure {
  /** The call that fails, from 1. */
  readonly at: number
  /** Whether the node executes the call and only its answer is lost. */
  readonly isDone: boolean
  readonly code: DriveErrorCode
}

export class FailOnce {
  calls = 0
  /** The name of the call that failed. */
  failed: string | undefined
  #isArmed = true

  constructor(private readonly failure: OneFailure) {}

  /** No later call fails. */
  disarm(): void {
    this.#isArmed = false
  }

  wrap(node: IpfsNode): IpfsNode {
    return new Proxy(node, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as unknown
        if (typeof value !== 'function' || name === 'close') return value
        return async (...args: unknown[]) => {
          const { at, isDone, code } = this.failure
          const fails = ++this.calls === at && this.#isArmed
          if (fails) this.failed = String(name)
          if (!fails || isDone) {
            const result = (await Reflect.apply(value, target, args)) as unknown
            if (!fails) return result
          }
          throw new DriveError(code, `Call ${at} fails once.`)
        }
      },
    })
  }
}
