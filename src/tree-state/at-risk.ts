/**
 * What would be lost with this thread right now, in shared memory: the thread that starts it can still read and tell it
 * when this one has died.
 */

/** File bytes in memory only, and inodes whose last changes no commit has made durable. */
export interface AtRisk {
  readonly files: number
  readonly bytes: number
  readonly inodes: number
}

const FILES = 0
const BYTES = 1
const INODES = 2
const SLOTS = 3

/** Memory for one drive thread. */
export function makeRiskMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(SLOTS * Float64Array.BYTES_PER_ELEMENT)
}

export function readRisk(memory: SharedArrayBuffer): AtRisk {
  const slots = new Float64Array(memory)
  return { files: slots[FILES] ?? 0, bytes: slots[BYTES] ?? 0, inodes: slots[INODES] ?? 0 }
}

export class RiskGauge {
  readonly #slots: Float64Array

  constructor(memory: SharedArrayBuffer = makeRiskMemory()) {
    this.#slots = new Float64Array(memory)
  }

  held(files: number, bytes: number): void {
    this.#slots[FILES] = files
    this.#slots[BYTES] = bytes
  }

  inodeChanged(): void {
    this.#slots[INODES]! += 1
  }

  /** @param changed inodes that changed since what has just become durable */
  durable(changed: number): void {
    this.#slots[INODES] = changed
  }
}
