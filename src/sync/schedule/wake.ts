/** A sleep that can be cut short. One sleeper; a call of `now` while nobody sleeps ends the next sleep at once. */
export class Wake {
  #isDue = false
  #end: (() => void) | undefined

  wait(delayMs: number): Promise<void> {
    if (this.#isDue) {
      this.#isDue = false
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer)
        this.#end = undefined
        this.#isDue = false
        resolve()
      }
      const timer = setTimeout(end, delayMs)
      this.#end = end
    })
  }

  now(): void {
    this.#isDue = true
    this.#end?.()
  }
}
