/** Buffers for reading sealed blocks from disk, 1 MiB each. A few of them are kept for the next reads. */

const MOST_KEPT = 8

export class ScratchPool {
  readonly #make: () => Uint8Array
  readonly #free: Uint8Array[] = []

  constructor(make: () => Uint8Array) {
    this.#make = make
  }

  /** Lends a buffer until `use` is done. */
  async with<T>(use: (scratch: Uint8Array) => Promise<T>): Promise<T> {
    const scratch = this.#free.pop() ?? this.#make()
    try {
      return await use(scratch)
    } finally {
      if (this.#free.length < MOST_KEPT) this.#free.push(scratch)
    }
  }

  clear(): void {
    this.#free.length = 0
  }
}
