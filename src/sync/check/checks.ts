/**
 * The checks of one open drive: requested checks, one at a time, and the scrub, which pauses during a requested check.
 */
import { DriveError, type Clock, sharedAbort } from '../../base/index.js'
import type { DriveKeys } from '../../crypto/index.js'
import { DriveNames } from '../heads/drive-names.js'
import { withAnySignal } from '../../node/index.js'
import { isNothingDamaged } from '../../commits/index.js'
import { unconfirmedOf, type ComparedStore } from '../moved-node/unconfirmed.js'
import { checkDrive } from './check.js'
import type { CheckReport, CheckRequest, ScrubStatus, Unconfirmed } from './contract.js'
import type { CheckParts } from './parts.js'
import { isNodeUseless } from './repair-rounds.js'
import { resealChanged } from './reseal.js'
import { Scrub, type ScrubSettings } from './scrub.js'

interface CheckOptionsOf extends Omit<CheckParts, 'names'> {
  readonly keys: DriveKeys
  readonly clock: Clock
}

export class Checks {
  readonly #parts: CheckParts
  readonly #scrub: Scrub
  readonly #closing = sharedAbort()
  #running: Promise<unknown> | undefined

  /** Starts the scrub. */
  constructor(options: CheckOptionsOf, settings: ScrubSettings) {
    this.#parts = { ...options, names: new DriveNames(options.keys) }
    this.#scrub = new Scrub(this.#parts, options.clock, settings)
  }

  get status(): ScrubStatus {
    return this.#scrub.status
  }

  /** Sentences for the user. */
  get warnings(): readonly string[] {
    const { open, lost, missing } = this.status
    if (open + lost === 0) return []
    const useless = isNodeUseless(this.#parts.state) ? [USELESS] : []
    const what = lost > 0 ? `${lost} of them are not on this machine either` : 'this machine has good copies of them'
    return [
      ...useless,
      `The node ${atNode(open + lost - missing, missing)}; ${what}. \`dagdrive fsck --node\` names the files.`,
    ]
  }

  /**
   * Runs before a version is built. Rewritten content may deduplicate to a block whose copy on the node is damaged;
   * such chunks are sealed under fresh keys. If no block is known to be damaged, the cost is one lookup.
   */
  async beforeBuild(signal: AbortSignal): Promise<void> {
    if (!isNothingDamaged(this.#parts.state.tables)) await resealChanged(this.#parts, signal)
  }

  run(request: CheckRequest): Promise<CheckReport> {
    return this.#alone(request.signal, (signal) => checkDrive(this.#parts, { ...request, signal }))
  }

  /** See `Scrub.look`. */
  look(): void {
    this.#scrub.look()
  }

  /** See `Sync.unconfirmed`. */
  async unconfirmed(
    store: ComparedStore,
    signal: AbortSignal,
    onProgress: CheckRequest['onProgress'],
  ): Promise<Unconfirmed> {
    const found = await this.#alone(signal, (both) => unconfirmedOf(store, this.#parts, both, onProgress))
    if (found.heads + found.versions + found.blocks > 0) this.#parts.publisher.forgetHeld()
    return found
  }

  /** One check at a time, and the scrub pauses. */
  async #alone<T>(asked: AbortSignal, check: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#running !== undefined) throw new DriveError('BUSY', 'The drive is already being checked.')
    this.#requireSettled()
    const run = withAnySignal([asked, this.#closing.signal], async (signal) => {
      await this.#scrub.pause()
      return check(signal)
    })
    this.#running = run.catch(() => undefined) // the caller gets the error
    try {
      return await run
    } finally {
      this.#running = undefined
      this.#scrub.resume()
    }
  }

  #requireSettled(): void {
    if (this.#parts.publisher.isProvisional) throw new DriveError('BUSY', 'The drive is moving to another node.')
  }

  async close(): Promise<void> {
    this.#closing.abort(new DriveError('ABORTED', 'The drive is closing.'))
    await Promise.all([this.#running, this.#scrub.close()])
  }
}

function atNode(damaged: number, missing: number): string {
  const held = damaged === 0 ? [] : [`holds damaged copies of ${damaged} blocks`]
  const lacked = missing === 0 ? [] : [`lacks ${missing} blocks`]
  return [...lacked, ...held].join(', and ')
}

const USELESS =
  'The node cannot be used for storage: whatever is sent to it again comes back damaged, so nothing more is sent for repairs. ' +
  'Move the drive with `dagdrive node set URL`, or repair the node and run `dagdrive fsck --node --repair`.'
