/** The checks of one open drive: those that are asked for, one at a time, and the slow one, which rests meanwhile. */
import { DriveError, type Clock } from '../../base/index.js'
import type { DriveKeys } from '../../crypto/index.js'
import { DriveNames } from '../heads/heads.js'
import { withAnySignal } from '../../node/index.js'
import { isNothingDamaged } from '../../commits/index.js'
import { checkDrive } from './check.js'
import type { CheckReport, CheckRequest, ScrubStatus } from './contract.js'
import type { CheckParts } from './parts.js'
import { sealChangedAnew } from './seal-anew.js'
import { Scrub, type ScrubSettings } from './scrub.js'

/** Of sync. */
interface CheckOptionsOf extends Omit<CheckParts, 'names'> {
  readonly keys: DriveKeys
  readonly clock: Clock
}

export class Checks {
  readonly #parts: CheckParts
  readonly #scrub: Scrub
  readonly #closing = new AbortController()
  #running: Promise<unknown> | undefined

  /** The slow check begins. */
  constructor(options: CheckOptionsOf, settings: ScrubSettings) {
    this.#parts = { ...options, names: new DriveNames(options.keys) }
    this.#scrub = new Scrub(this.#parts, options.clock, settings)
  }

  get status(): ScrubStatus {
    return this.#scrub.status
  }

  /** What a person has to know of it, as sentences. */
  get warnings(): readonly string[] {
    const { open, lost } = this.status
    if (open + lost === 0) return []
    const what = lost > 0 ? `${lost} of them are not on this machine either` : 'this machine has good copies of them'
    return [
      `The node holds damaged copies of ${open + lost} blocks; ${what}. \`dagdrive fsck --node\` names the files.`,
    ]
  }

  /**
   * Before a version is built: content that was written again may lead to a block that the node keeps damaged. Costs
   * one look where none is known.
   */
  async beforeBuild(signal: AbortSignal): Promise<void> {
    if (!isNothingDamaged(this.#parts.state.tables)) await sealChangedAnew(this.#parts, signal)
  }

  async run(request: CheckRequest): Promise<CheckReport> {
    if (this.#running !== undefined) throw new DriveError('BUSY', 'The drive is being checked already.')
    if (this.#parts.publisher.isProvisional) throw new DriveError('BUSY', 'The drive is moving to another node.')
    const run = withAnySignal([request.signal, this.#closing.signal], async (signal) => {
      await this.#scrub.rest()
      return checkDrive(this.#parts, { ...request, signal })
    })
    this.#running = run.catch(() => undefined) // told to whoever asked
    try {
      return await run
    } finally {
      this.#running = undefined
      this.#scrub.goOn()
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new DriveError('ABORTED', 'The drive is closing.'))
    await Promise.all([this.#running, this.#scrub.close()])
  }
}
