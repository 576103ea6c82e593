/**
 * Data that was acknowledged to programs and is lost anyway, for example bytes in memory when the drive thread died.
 * Losses are kept in a file of the home until the user has had time to see them, because an open drive looks intact
 * again.
 */
import { KIB, toWire, type Clock, type Log } from '../../base/index.js'
import { readHomeFile, ReservedFile } from '../../platform/index.js'

/** Counted from the first `status` that contains the loss. */
const SHOWN_FOR_MS = 7 * 24 * 3_600_000
/** The oldest ones are dropped. */
const MOST_KEPT = 20
/** Reserved on the disk. A sentence is shorter than a twentieth of it. */
const RECORD_BYTES = 16 * KIB

interface Loss {
  readonly atMs: number
  readonly what: string
  /** Time of the first status that contained it. */
  readonly shownMs?: number
}

export interface LossesOptions {
  readonly file: string
  readonly clock: Pick<Clock, 'nowMs'>
  readonly log: Log
}

export class Losses {
  readonly #options: LossesOptions
  readonly #record: ReservedFile
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: LossesOptions) {
    this.#options = options
    this.#record = new ReservedFile(options.file, RECORD_BYTES)
  }

  /** Reserves the space of the record, so that a loss on a full disk is recorded. A failure is logged. */
  prepare(): Promise<void> {
    return this.#oneAtATime(undefined, async (known) => this.#record.reserve(textOf(known)))
  }

  /** Durable when it resolves. @param what a sentence without names. A failure is logged, with the sentence */
  note(what: string): Promise<void> {
    return this.#oneAtATime(undefined, async (known) => {
      this.#options.log.error('data was lost', { what })
      // A failed take-over is retried by the next daemon.
      if (known.some((loss) => loss.what === what && loss.shownMs === undefined)) return
      await this.#write([...known, { atMs: this.#options.clock.nowMs(), what }].slice(-MOST_KEPT))
    })
  }

  /** Sentences for the status, oldest first. */
  show(): Promise<string[]> {
    return this.#oneAtATime<string[]>([], async (known) => {
      const nowMs = this.#options.clock.nowMs()
      const kept = known
        .filter(({ shownMs = nowMs }) => nowMs - shownMs < SHOWN_FOR_MS)
        .map((loss) => ({ ...loss, shownMs: loss.shownMs ?? nowMs }))
      if (kept.length < known.length || known.some(({ shownMs }) => shownMs === undefined)) await this.#write(kept)
      return kept.map(({ atMs, what }) => `${new Date(atMs).toISOString().slice(0, 16)}Z: ${what}`)
    })
  }

  #oneAtATime<T>(otherwise: T, work: (known: Loss[]) => Promise<T>): Promise<T> {
    const run = this.#last.then(async () => work(await this.#read()))
    this.#last = run.catch(() => undefined) // the caller gets the error
    return run.catch((error: unknown) => {
      this.#options.log.error('the record of lost data could not be used', { code: toWire(error).code })
      return otherwise
    })
  }

  /** A damaged file must not prevent a new loss from being recorded. */
  async #read(): Promise<Loss[]> {
    const text = (await readHomeFile(this.#options.file))?.toString('utf8')
    if (text === undefined) return []
    try {
      const found: unknown = JSON.parse(text)
      return Array.isArray(found) ? found.filter(isLoss) : []
    } catch {
      this.#options.log.warn('the record of lost data is damaged')
      return []
    }
  }

  async #write(losses: readonly Loss[]): Promise<void> {
    await this.#record.write(textOf(losses))
  }
}

const textOf = (losses: readonly Loss[]): string => `${JSON.stringify(losses)}\n`

const MOST_DATE_MS = 8.64e15

function isLoss(value: unknown): value is Loss {
  const { atMs, what, shownMs } = (value ?? {}) as Partial<Record<keyof Loss, unknown>>
  const isTime = (ms: unknown): boolean => typeof ms === 'number' && Math.abs(ms) <= MOST_DATE_MS
  return isTime(atMs) && typeof what === 'string' && (shownMs === undefined || isTime(shownMs))
}
