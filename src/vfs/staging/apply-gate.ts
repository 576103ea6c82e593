/**
 * Keeps chunk rows out of `meta` while the block index commits: a commit of `meta` must never refer to a block that the
 * preceding commit of the block index did not include. Results that arrive meanwhile are applied right after the commit
 * of `meta` took its snapshot.
 */
export class ApplyGate {
  #closed = false
  #waiting: (() => void)[] = []

  apply(action: () => void): void {
    if (this.#closed) this.#waiting.push(action)
    else action()
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** Resolves when actions that add chunk rows may run. */
  whenOpen(): Promise<void> {
    return new Promise((resolve) => this.apply(resolve))
  }

  close(): void {
    this.#closed = true
  }

  open(): void {
    this.#closed = false
    const waiting = this.#waiting
    this.#waiting = []
    for (const action of waiting) action()
  }
}
