/**
 * The daemon's side of the holder (native/holder.c): the process that keeps a mount alive while no daemon lives. It is
 * started with the first mount and ends by itself. When it dies first, another one is started and given the same
 * things. Where it cannot be had, a killed daemon leaves a dead mount, as before.
 */
import { closeSync } from 'node:fs'
import type { MountReport } from '../../api/index.js'
import { systemClock, type Log } from '../../base/index.js'
import type { DrivePaths } from '../../platform/index.js'
import type { RootKey } from '../../crypto/index.js'
import { holderNative, SHARED_BYTES, SharedState, type HolderNative } from '../../fuse/index.js'
import { holderLives, meetHolder, holderMessage, type MetHolder } from './holder-link.js'
import { startHolder } from './start-holder.js'

/** How often the holder is looked at. */
const LOOK_MS = 200
/** One just started answers at once. One that was here before may be stopped, and has a mount: its own patience. */
const ANSWER_MS = 5_000
const PATIENCE_MS = 30_000
/** A holder that dies again and again is not started more often than this within a minute. */
const MOST_STARTS = 5
const MINUTE_MS = 60_000

/** A mount that lives, served by nobody. */
export interface HeldMount {
  readonly report: MountReport
  /** A descriptor of its own, for whoever serves it. */
  readonly channel: number
  readonly sharedMemory: number
  readonly highest: { readonly ino: number; readonly handle: number }
}

export interface Holder {
  /** Its mount, if there is one that the next drive thread or daemon could take over. */
  readonly held: MountReport | undefined
  /** To take it over. */
  take(): HeldMount | undefined
  /** The unlocked key that came with it. */
  takeKey(): RootKey | undefined
  /** The shared memory for a mount to come, or undefined where there can be no holder. */
  prepare(report: MountReport): Promise<number | undefined>
  /** The mount is served: hold its channel and the key from now on. */
  keep(channel: number, key: RootKey): void
  /** The mount has ended, or shall not outlive its daemon. */
  drop(): void
}

export interface HolderOptions {
  readonly paths: Pick<DrivePaths, 'holderSocket' | 'lockFile' | 'logFile'>
  readonly log: Log
  /** Starts the next daemon; empty where a service manager does. */
  readonly command: readonly string[]
}

/** What goes on from daemon to daemon. */
interface Shared {
  readonly memory: number
  readonly state: SharedState
}

class AttachedHolder implements Holder {
  readonly #native: HolderNative
  readonly #options: HolderOptions
  #link = -1
  #shared: Shared | undefined
  #channel = -1
  /** The key that came with a mount, until it is taken. */
  #found: RootKey | undefined
  /** The key of the mount that is served. */
  #key: RootKey | undefined
  #startsMs: number[] = []
  #starting: Promise<boolean> | undefined

  constructor(native: HolderNative, options: HolderOptions) {
    this.#native = native
    this.#options = options
  }

  async begin(): Promise<void> {
    const { log } = this.#options
    const late = setTimeout(() => log.warn('the holder does not answer yet: waiting for it'), ANSWER_MS)
    const met = await this.#meet(PATIENCE_MS).finally(() => clearTimeout(late))
    if (met !== undefined) {
      this.#channel = met.channel
      this.#found = met.key
      if (met.channel >= 0) log.info('a mount of a killed daemon is taken over')
    }
    setInterval(() => this.#look(), LOOK_MS).unref()
  }

  get held(): MountReport | undefined {
    const about = this.#channel < 0 ? undefined : this.#shared?.state.about
    return about === undefined ? undefined : (JSON.parse(about) as MountReport)
  }

  take(): HeldMount | undefined {
    const report = this.held
    if (this.#shared === undefined || report === undefined) return undefined
    const copy = this.#native.duplicate(this.#channel)
    if (copy < 0) return undefined
    const { memory, state } = this.#shared
    return {
      report,
      channel: copy,
      sharedMemory: memory,
      highest: { ino: state.highestIno, handle: state.highestHandle },
    }
  }

  takeKey(): RootKey | undefined {
    const found = this.#found
    this.#found = undefined
    return found
  }

  async prepare(report: MountReport): Promise<number | undefined> {
    this.#look()
    if (this.#link < 0) await this.#start()
    if (this.#link < 0 || this.#shared === undefined) {
      this.#options.log.warn('there is no holder: a killed daemon will leave a dead mount')
      return undefined
    }
    this.#shared.state.begin(JSON.stringify(report))
    return this.#shared.memory
  }

  keep(channel: number, key: RootKey): void {
    const copy = channel < 0 ? -1 : this.#native.duplicate(channel)
    if (copy < 0) return
    if (this.#channel >= 0) closeSync(this.#channel)
    this.#channel = copy
    this.#key = key
    if (this.#link >= 0 && !this.#give(key)) this.#warn()
  }

  drop(): void {
    if (this.#channel >= 0) closeSync(this.#channel)
    this.#channel = -1
    this.#key = undefined
    this.#found?.fill(0)
    this.#found = undefined
    if (this.#link >= 0) this.#native.holderSend(this.#link, holderMessage('D'), -1)
  }

  /** Key and channel. What was given is taken back when not all could be: a key alone serves nobody. */
  #give(key: RootKey): boolean {
    const withKey = Buffer.concat([holderMessage('K'), key])
    const isSent =
      this.#native.holderSend(this.#link, withKey, -1) === 0 &&
      this.#native.holderSend(this.#link, holderMessage('G'), this.#channel) === 0
    withKey.fill(0)
    if (!isSent) this.#native.holderSend(this.#link, holderMessage('D'), -1)
    return isSent
  }

  /** A holder that died is replaced, as long as a mount is to be held. */
  #look(): void {
    if (this.#link >= 0 && !holderLives(this.#native, this.#link)) {
      closeSync(this.#link)
      this.#link = -1
      this.#options.log.warn('the holder has ended before the daemon')
    }
    const key = this.#key
    if (this.#link >= 0 || this.#channel < 0 || key === undefined || this.#starting !== undefined) return
    void this.#start().then((isStarted) => {
      // The mount may have ended meanwhile.
      if (isStarted && this.#key === key && this.#give(key)) this.#options.log.info('another holder keeps the mount')
      else if (isStarted && this.#key === key) this.#warn()
    })
  }

  #start(): Promise<boolean> {
    this.#starting ??= this.#startAnother().finally(() => {
      this.#starting = undefined
    })
    return this.#starting
  }

  async #startAnother(): Promise<boolean> {
    const nowMs = systemClock.monotonicMs()
    this.#startsMs = this.#startsMs.filter((atMs) => nowMs - atMs < MINUTE_MS)
    if (this.#startsMs.length >= MOST_STARTS) return false
    this.#startsMs.push(nowMs)
    if (!(await startHolder(this.#native.program, this.#options))) return false
    return (await this.#meet(ANSWER_MS)) !== undefined
  }

  /** Says hello, and agrees on one memory: ours, where there is one already. */
  async #meet(patienceMs: number): Promise<MetHolder | undefined> {
    const { paths, command } = this.#options
    const met = await meetHolder(this.#native, paths.holderSocket, patienceMs)
    if (met === undefined) return undefined
    this.#native.holderSend(met.link, holderMessage('C', `${command.join('\0')}\0`), -1)
    if (this.#shared === undefined) {
      const mapped = this.#native.mapShared(met.memory, SHARED_BYTES)
      if (typeof mapped === 'number') {
        for (const fd of [met.link, met.memory, met.channel]) if (fd >= 0) closeSync(fd)
        return undefined
      }
      this.#shared = { memory: met.memory, state: new SharedState(mapped) }
    } else {
      closeSync(met.memory)
      this.#native.holderSend(met.link, holderMessage('M'), this.#shared.memory)
    }
    this.#link = met.link
    return met
  }

  #warn(): void {
    this.#options.log.warn('the holder did not take the mount: a killed daemon will leave a dead mount')
  }
}

/** Finds the holder a killed daemon left. The lock of the home must be held, because the holder asks for it. */
export async function attachHolder(options: HolderOptions): Promise<Holder> {
  const native = process.env['DAGDRIVE_HOLDER'] === '0' ? undefined : holderNative()
  if (native === undefined) return NO_HOLDER
  const holder = new AttachedHolder(native, options)
  await holder.begin()
  return holder
}

/** Where it is switched off or was not built. */
const NO_HOLDER: Holder = {
  held: undefined,
  take: () => undefined,
  takeKey: () => undefined,
  prepare: () => Promise.resolve(undefined),
  keep: () => undefined,
  drop: () => undefined,
}
