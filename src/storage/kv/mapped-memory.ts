/**
 * Keeps the pages of LMDB's map from piling up as this process's memory (S-066). What was read stays mapped until the
 * system runs short; taken out of the process, the pages stay in the page cache and come back when they are touched.
 * Maps are never unmapped while an environment is open (lmdb-js keeps outgrown ones as well), so the owner may do this
 * at any time until it closes. A thread of the native core does it during loads, when the threads of JavaScript are
 * busy.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { forgetMapped, watchMapped } from '../../platform/index.js'

const PAGE = 4096
const MIB = 1024 * 1024
const LOOK_EVERY_MS = 1_000
/**
 * Pages of files in the whole process above which each environment lets go of its own; the program itself has 45 to 60
 * MiB.
 */
const MOST_BYTES = 96 * MIB
/** The same, looked at every tenth time: little enough for a daemon at rest. */
const MOST_BYTES_AT_REST = 64 * MIB
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
    this.#unwatch = watchMapped(this.#file, MOST_BYTES)
  }

  /** Before the environment is closed. */
  close(): void {
    clearInterval(this.#timer)
    this.#unwatch?.()
  }

  #look(): void {
    const isRest = this.#looks % REST_LOOKS === 0
    if (residentFileBytes() > (isRest ? MOST_BYTES_AT_REST : MOST_BYTES)) forgetMapped(this.#file)
  }
}

/** Resident pages of files, as statm counts them. */
function residentFileBytes(): number {
  try {
    return Number(readFileSync('/proc/self/statm', 'latin1').split(' ')[2]) * PAGE
  } catch {
    return 0 // no such file on this system
  }
}
