/**
 * Bounds the pages of LMDB's map that count as this process's memory (S-066). Pages that were read stay mapped until
 * the system runs short of memory. When they are released from the process, they stay in the page cache and are mapped
 * again when touched. Maps are never unmapped while an environment is open (lmdb-js keeps outgrown ones as well), so
 * the owner may do this at any time until it closes. During loads, when the JavaScript threads are busy, a thread of
 * the native core does it.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { forgetMapped, hurryWatch, watchMapped } from '../../platform/index.js'

const PAGE = 4096
const MIB = 1024 * 1024
const LOOK_EVERY_MS = 1_000
/**
 * If the process has more resident file pages than this, each environment releases its own; the program itself has 45
 * to 60 MiB.
 */
const MOST_BYTES = 96 * MIB
/** The limit during loads: what is mapped between two looks of the thread comes on top. */
const MOST_BYTES_WATCHED = 72 * MIB
/** The limit at every tenth check: low enough for an idle daemon. */
const MOST_BYTES_AT_REST = 48 * MIB
const REST_LOOKS = 10

export class MappedMemory {
  readonly #file: string
  readonly #timer: NodeJS.Timeout
  readonly #unwatch: (() => void) | undefined
  #looks = 0

  /** @param path the environment's directory */
  constructor(path: string) {
    this.#file = join(path, 'data.mdb')
    this.#timer = setInterval(() => {
      this.#looks++
      this.#look()
    }, LOOK_EVERY_MS)
    this.#timer.unref()
    this.#unwatch = watchMapped(this.#file, MOST_BYTES_WATCHED)
  }

  /** Call it before the environment is closed. */
  close(): void {
    clearInterval(this.#timer)
    this.#unwatch?.()
  }

  /**
   * While a transaction runs: one that writes or deletes here and there maps 16 pages for each it touches.
   * @returns ends it
   */
  hurry(): () => void {
    const end = hurryWatch()
    return () => {
      end()
      this.#look()
    }
  }

  #look(): void {
    const isRest = this.#looks % REST_LOOKS === 0
    if (residentFileBytes() > (isRest ? MOST_BYTES_AT_REST : MOST_BYTES)) forgetMapped(this.#file)
  }
}

/** What may be mapped between two checks. */
const BYTES_PER_LOOK = 16 * MIB
/** Each read may map 16 pages, a miss too, and the pages of its value. */
const BYTES_PER_READ = 16 * PAGE
/** What others have mapped may be over the limit by itself: so much must come on top before the next try. */
const STEP_BYTES = 16 * MIB

/**
 * For a thread that reads many rows without a pause: it releases the pages itself, since no timer and perhaps no other
 * thread gets a turn. The environment must be open in this thread.
 * @param path the environment's directory
 * @returns to be called for each read, with the size of the value
 */
export function countReads(path: string): (bytes: number) => void {
  const file = join(path, 'data.mdb')
  let unseen = 0
  let least = 0
  return (bytes) => {
    unseen += BYTES_PER_READ + bytes
    if (unseen < BYTES_PER_LOOK) return
    unseen = 0
    if (residentFileBytes() <= Math.max(MOST_BYTES_WATCHED, least + STEP_BYTES)) return
    forgetMapped(file)
    least = residentFileBytes()
  }
}

/** Resident file pages, according to statm. */
function residentFileBytes(): number {
  try {
    return Number(readFileSync('/proc/self/statm', 'latin1').split(' ')[2]) * PAGE
  } catch {
    return 0 // this system has no such file
  }
}
