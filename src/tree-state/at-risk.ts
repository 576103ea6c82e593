/**
 * Counts the data that would be lost if the drive thread died now. The counters are in shared memory, so the parent
 * thread can still read and report them after the drive thread has died.
 */

/** File bytes that are only in memory, and inodes whose last changes are not in a durable commit. */
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

  /** @param changed number of inodes changed since the commit that has just become durable */
  durable(changed: number): void {
    this.#slots[INODES] = changed
  }
}
