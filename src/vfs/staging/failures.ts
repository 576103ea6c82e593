/**
 * Failures of background work: the status shows the last one until the next success, and NO_SPACE is passed on to
 * `Room`.
 */
import { toWire, type Log } from '../../base/index.js'
import type { TreeState } from '../inodes/tree-state.js'
import type { HeldMemory } from './held-memory.js'
import type { Room } from './space.js'

export interface FailureParts {
  readonly log: Log
  readonly room: Room
  readonly held: HeldMemory
  readonly state: TreeState
}

export class Failures {
  last: string | undefined
  readonly #parts: FailureParts

  constructor(parts: FailureParts) {
    this.#parts = parts
  }

  /** @param what the failed work, as a sentence that a user can read */
  note(what: string, error: unknown): void {
    const { log, room, held, state } = this.#parts
    const { code, message } = toWire(error)
    this.last = `${what}: ${message}`
    if (code === 'NO_SPACE') room.refused(held.bytes + state.pendingBytes)
    if (code !== 'INTERNAL' && code !== 'CORRUPT') log.warn(what, { code })
    else log.error(what, { code, error: message, ...(error instanceof Error && { stack: error.stack }) })
  }
}
