/**
 * Many at once or one alone, inside one process: imports and pins share the store, garbage collection has it alone.
 * Waiters are served in the order they came, so nobody starves.
 */
export class SharedLock {
  #sharing = 0
  #alone = false
  readonly #waiting: { alone: boolean; enter: () => void }[] = []

  async shared<T>(work: () => Promise<T>): Promise<T> {
    await this.#enter(false)
    try {
      return await work()
    } finally {
      this.#sharing--
      this.#admit()
    }
  }

  async alone<T>(work: () => Promise<T>): Promise<T> {
    await this.#enter(true)
    try {
      return await work()
    } finally {
      this.#alone = false
      this.#admit()
    }
  }

  #enter(alone: boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ alone, enter: resolve })
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
