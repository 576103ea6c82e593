/**
 * Runs the event log while clients ask for events. Events slow every change of the tree a little, so the log starts
 * with the first request and stops when no request came for a while. A later client is told that events are missing.
 */
import type { Random } from '../base/index.js'
import type { Identities, Change } from '../vfs/index.js'
import type { Events } from './contract.js'
import { EventLog } from './event-log.js'
import { eventsOf } from './events-of.js'
import type { Origins } from './origins.js'

/** The log stops after this time without a request. */
const KEPT_FOR_MS = 10 * 60_000

type Listen = (listener: (changes: readonly Change[]) => void) => () => void

export class EventFeed {
  readonly #log: EventLog
  readonly #listen: Listen
  readonly #identities: Identities
  readonly #origins: Origins
  #stopListening: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(listen: Listen, identities: Identities, origins: Origins, random: Random) {
    this.#log = new EventLog(firstOf(random))
    this.#listen = listen
    this.#identities = identities
    this.#origins = origins
  }

  /** Events from `from` on, after at most `waitMs`; 0 means only future events. */
  async since(from: number, limit: number, waitMs: number, signal?: AbortSignal): Promise<Events> {
    this.#keepListening()
    const start = from === 0 ? this.#log.next : from
    const now = this.#log.since(start, limit)
    if (now.events.length > 0 || now.isIncomplete) return now
    await this.#log.changed(waitMs, signal)
    return this.#log.since(start, limit)
  }

  close(): void {
    this.#stop()
    this.#log.close()
  }

  #keepListening(): void {
    this.#timer ??= setTimeout(() => this.#stop(), KEPT_FOR_MS).unref()
    this.#timer.refresh()
    this.#stopListening ??= this.#listen((changes) =>
      this.#log.append(eventsOf(changes, this.#identities, this.#origins)),
    )
    this.#origins.isNoting = true
  }

  #stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#stopListening?.()
    this.#stopListening = undefined
    this.#origins.isNoting = false
    this.#log.skip()
  }
}

/** The numbers of two runs are far apart, so a number of one run is never valid in another. */
const firstOf = (random: Random): number => 1 + Buffer.from(random.bytes(6)).readUIntBE(0, 6)
