/**
 * The daemon's side of the holder (native/holder.c), the process that keeps a mount alive while no daemon runs. The
 * holder is started with the first mount and exits by itself. If it dies before the daemon, another one is started and
 * gets the same state. Without a holder, a killed daemon leaves a dead mount.
 */
import { closeSync } from 'node:fs'
import type { MountReport } from '../../api/index.js'
import { systemClock, toWire, type Log } from '../../base/index.js'
import type { DrivePaths } from '../../platform/index.js'
import type { RootKey } from '../../crypto/index.js'
import {
  clearLogMark,
  countLogged,
  holderNative,
  markedSince,
  reserveLogMark,
  SHARED_BYTES,
  SharedState,
  type HolderNative,
} from '../../fuse/index.js'
import type { HeldMount, Holder } from './contract.js'
import { holderLives, connectHolder, holderMessage, type HolderHandshake } from './holder-link.js'
import { continueHolder } from './continue-holder.js'
import { NO_HOLDER } from './no-holder.js'
import { startHolder } from './start-holder.js'

/** Interval of the checks whether the holder is alive. */
const CHECK_EVERY_MS = 200
/** A new holder answers at once. An old one may be stopped and keeps a mount, so it gets more time. */
const ANSWER_MS = 5_000
const PATIENCE_MS = 30_000
/** A holder that keeps dying is started at most this often within a minute. */
const MOST_STARTS = 5
const MINUTE_MS = 60_000

export interface HolderOptions {
  readonly paths: Pick<DrivePaths, 'holderSocket' | 'lockFile' | 'logFile' | 'logMarkFile'>
  readonly log: Log
  /** Starts the next daemon; an empty word separates a second command. Empty under a service manager. */
  readonly command: readonly string[]
}

/** The state passed from daemon to daemon. */
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
  /** The key of the mount being served. */
  #key: RootKey | undefined
  #startsMs: number[] = []
  #starting: Promise<boolean> | undefined
  #isClosed = false
  /** The last removal of the mark. */
  #unmarked: Promise<unknown> = Promise.resolve()
  lostSinceMs: number | undefined

  constructor(native: HolderNative, options: HolderOptions) {
    this.#native = native
    this.#options = options
  }

  async begin(): Promise<void> {
    const { log, paths } = this.#options
    const late = setTimeout(() => {
      log.warn('the holder does not answer yet; waiting')
      void continueHolder(paths.holderSocket, log)
    }, ANSWER_MS)
    const met = await this.#connect(PATIENCE_MS).finally(() => clearTimeout(late))
    if (met !== undefined) {
      this.#channel = met.channel
      this.#found = met.key
      if (this.held !== undefined) log.info('taking over the mount of a killed daemon')
      else if (met.channel >= 0) this.#letGo(met)
    }
    if (this.held === undefined) this.lostSinceMs = await markedSince(paths.logMarkFile)
    await reserveLogMark(paths.logMarkFile).catch((error: unknown) =>
      log.warn('the loss of a log would not be noticed', { code: toWire(error).code }),
    )
    setInterval(() => this.#check(), CHECK_EVERY_MS).unref()
  }

  get held(): MountReport | undefined {
    const about = this.#channel < 0 ? undefined : this.#shared?.state.about
    return about === undefined ? undefined : (JSON.parse(about) as MountReport)
  }

  get logged(): number {
    return this.#shared === undefined || this.held === undefined ? 0 : countLogged(this.#shared.state)
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
    this.#check()
    await this.#unmarked
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
    if (this.#link >= 0 && !this.#send(key)) this.#warn()
  }

  drop(): void {
    if (this.#channel >= 0) closeSync(this.#channel)
    this.#channel = -1
    this.#key = undefined
    this.#found?.fill(0)
    this.#found = undefined
    if (this.#link >= 0) this.#native.holderSend(this.#link, holderMessage('D'), -1)
    this.#unmarked = clearLogMark(this.#options.paths.logMarkFile).catch(() => undefined) // the next mount writes it
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([this.#starting, this.#unmarked])
  }

  /** Sends key and channel. If one cannot be sent, both are withdrawn, because a key alone is useless. */
  #send(key: RootKey): boolean {
    const withKey = Buffer.concat([holderMessage('K'), key])
    const isSent =
      this.#native.holderSend(this.#link, withKey, -1) === 0 &&
      this.#native.holderSend(this.#link, holderMessage('G'), this.#channel) === 0
    withKey.fill(0)
    if (!isSent) this.#native.holderSend(this.#link, holderMessage('D'), -1)
    return isSent
  }

  /** Replaces a holder that died while there is a mount to keep. */
  #check(): void {
    if (this.#link >= 0 && !holderLives(this.#native, this.#link)) {
      closeSync(this.#link)
      this.#link = -1
      this.#options.log.warn('the holder died before the daemon')
    }
    const key = this.#key
    if (this.#isClosed || this.#link >= 0 || this.#channel < 0 || key === undefined || this.#starting !== undefined)
      return
    void this.#start().then((isStarted) => {
      // The mount may have ended meanwhile.
      if (isStarted && this.#key === key && this.#send(key)) this.#options.log.info('another holder keeps the mount')
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
    return (await this.#connect(ANSWER_MS)) !== undefined
  }

  /** Connects to a holder. Both use one shared memory: the daemon's, if it has one. */
  async #connect(patienceMs: number): Promise<HolderHandshake | undefined> {
    const { paths, command } = this.#options
    const met = await connectHolder(this.#native, paths.holderSocket, patienceMs)
    if (met === undefined) return undefined
    this.#native.holderSend(met.link, holderMessage('C', `${command.join('\0')}\0`), -1)
    if (this.#shared === undefined) {
      const mapped = this.#native.mapShared(met.memory, SHARED_BYTES)
      if (typeof mapped === 'number') {
        if (met.channel >= 0) this.#letGo(met)
        for (const fd of [met.link, met.memory]) closeSync(fd)
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

  /**
   * Its memory is of another version of the program, or its handshake was not finished. The mount is dead from now on;
   * it is replaced like one that nobody kept.
   */
  #letGo({ link, channel }: HolderHandshake): void {
    this.#options.log.warn('the mount of a killed daemon cannot be taken over: it is made anew')
    this.#native.holderSend(link, holderMessage('D'), -1)
    closeSync(channel)
    this.#channel = -1
  }

  #warn(): void {
    this.#options.log.warn('the holder did not accept the mount: a killed daemon will leave a dead mount')
  }
}

/** Finds the holder that a killed daemon left. The caller holds the lock of the home, because the holder checks it. */
export async function attachHolder(options: HolderOptions): Promise<Holder> {
  const native = process.env['DAGDRIVE_HOLDER'] === '0' ? undefined : holderNative()
  if (native === undefined) return NO_HOLDER
  const holder = new AttachedHolder(native, options)
  await holder.begin()
  return holder
}
