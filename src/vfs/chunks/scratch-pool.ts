/**
 * Buffers for reading sealed blocks from disk, 1 MiB each. There are at most as many as threads that read files, so a
 * prefetch of 32 blocks makes no garbage: others wait for one.
 */

const MOST = 8

export class ScratchPool {
  readonly #make: () => Uint8Array
  readonly #free: Uint8Array[] = []
  /** First come, first served. */
  readonly #waiting: ((scratch: Uint8Array) => void)[] = []
  #lent = 0

  constructor(make: () => Uint8Array) {
    this.#make = make
  }

  /** Lends a buffer until `use` is done. */
  async with<T>(use: (scratch: Uint8Array) => Promise<T>): Promise<T> {
    const scratch =
      this.#lent < MOST ? this.#lend() : await new Promise<Uint8Array>((resolve) => this.#waiting.push(resolve))
    try {
      return await use(scratch)
    } finally {
      const next = this.#waiting.shift()
      if (next !== undefined) next(scratch)
      else {
        this.#lent--
        this.#free.push(scratch)
      }
    }
  }

  clear(): void {
    this.#free.length = 0
  }

  #lend(): Uint8Array {
    const scratch = this.#free.pop() ?? this.#make()
    this.#lent++
    return scratch
  }
}
