/**
 * A read-write lock inside one process: imports and pins share the store, garbage collection has it exclusively.
 * Waiters are served in order of arrival, so none starves. A cancelled waiter rejects with ABORTED.
 */
import { aborted } from '../../base/index.js'

interface Waiter {
  readonly alone: boolean
  readonly enter: () => void
}

export class SharedLock {
  #sharing = 0
  #alone = false
  #waiting: Waiter[] = []

  async shared<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#enter(false, signal)
    try {
      return await work()
    } finally {
      this.#sharing--
      this.#admit()
    }
  }

  async alone<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#enter(true, signal)
    try {
      return await work()
    } finally {
      this.#alone = false
      this.#admit()
    }
  }

  #enter(alone: boolean, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        signal?.removeEventListener('abort', leave)
        resolve()
      }
      const waiter = { alone, enter }
      const leave = (): void => {
        this.#waiting = this.#waiting.filter((one) => one !== waiter)
        reject(aborted(signal))
        this.#admit()
      }
      if (signal?.aborted === true) return reject(aborted(signal))
      signal?.addEventListener('abort', leave, { once: true })
      this.#waiting.push(waiter)
      this.#admit()
    })
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#alone || (next.alone && this.#sharing > 0)) return
      this.#waiting.shift()
      if (next.alone) this.#alone = true
      else this.#sharing++
      next.enter()
    }
  }
}
