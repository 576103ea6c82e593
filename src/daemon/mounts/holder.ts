/**
 * The daemon's side of the holder (native/holder.c): the process that keeps a mount alive while no daemon lives. It is
 * started with the first mount and ends by itself. Where it cannot be had, a killed daemon leaves a dead mount, as
 * before.
 */
import { spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import type { MountReport } from '../../api/index.js'
import type { Log } from '../../base/index.js'
import type { DrivePaths } from '../../platform/index.js'
import type { RootKey } from '../../crypto/index.js'
import { holderNative, SHARED_BYTES, SharedState, type HolderNative } from '../../fuse/index.js'

const ANSWER_MS = 5_000
const START_MS = 5_000
const MOST_MESSAGE_BYTES = 4096

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

/** Finds the holder a killed daemon left. The lock of the home must be held, because the holder asks for it. */
export function attachHolder(options: HolderOptions): Holder {
  const { paths, log } = options
  const native = process.env['DAGDRIVE_HOLDER'] === '0' ? undefined : holderNative()
  let link: Link | undefined
  let channel = -1
  let key: RootKey | undefined

  const connect = (addon: HolderNative): Link | undefined => {
    const opened = openLink(addon, paths.holderSocket)
    if (opened === undefined) return undefined
    addon.holderSend(opened.link, text('C', `${options.command.join('\0')}\0`), -1)
    return opened
  }
  if (native !== undefined) {
    link = connect(native)
    channel = link?.channel ?? -1
    key = link?.key
    if (channel >= 0) log.info('a mount of a killed daemon is taken over')
  }

  const holder: Holder = {
    get held() {
      const about = channel < 0 ? undefined : link?.state.about
      return about === undefined ? undefined : (JSON.parse(about) as MountReport)
    },
    take() {
      const report = holder.held
      if (native === undefined || link === undefined || report === undefined) return undefined
      const copy = native.duplicate(channel)
      if (copy < 0) return undefined
      const highest = { ino: link.state.highestIno, handle: link.state.highestHandle }
      return { report, channel: copy, sharedMemory: link.memory, highest }
    },
    takeKey() {
      const found = key
      key = undefined
      return found
    },
    async prepare(report) {
      if (native === undefined) return undefined
      if (link === undefined && (await startHolder(native.program, options))) link = connect(native)
      if (link === undefined) {
        log.warn('there is no holder: a killed daemon will leave a dead mount')
        return undefined
      }
      link.state.begin(JSON.stringify(report))
      return link.memory
    },
    keep(served, rootKey) {
      if (native === undefined || link === undefined || served < 0) return
      const message = Buffer.concat([Buffer.from('K'), rootKey])
      const sent = native.holderSend(link.link, message, -1)
      message.fill(0)
      const copy = native.duplicate(served)
      if (sent !== 0 || copy < 0 || native.holderSend(link.link, text('G', ''), copy) !== 0) {
        log.warn('the holder did not take the mount: a killed daemon will leave a dead mount')
        if (copy >= 0) closeSync(copy)
        return
      }
      if (channel >= 0) closeSync(channel)
      channel = copy
    },
    drop() {
      if (channel >= 0) closeSync(channel)
      channel = -1
      if (native !== undefined && link !== undefined) native.holderSend(link.link, text('D', ''), -1)
    },
  }
  return holder
}

interface Link {
  readonly link: number
  readonly memory: number
  readonly channel: number
  readonly key: RootKey | undefined
  readonly state: SharedState
}

function openLink(native: HolderNative, socket: string): Link | undefined {
  const link = native.holderConnect(socket)
  if (link < 0) return undefined
  const bytes = Buffer.alloc(MOST_MESSAGE_BYTES)
  native.holderSend(link, text('H', ''), -1)
  const [length, memory, channel] = native.holderReceive(link, bytes, ANSWER_MS)
  const mapped = length >= 3 && memory >= 0 ? native.mapShared(memory, SHARED_BYTES) : -1
  if (typeof mapped === 'number') {
    for (const fd of [link, memory, channel]) if (fd >= 0) closeSync(fd)
    return undefined
  }
  const keyBytes = bytes[2]!
  const key = keyBytes === 0 ? undefined : (new Uint8Array(bytes.subarray(3, 3 + keyBytes)) as RootKey)
  bytes.fill(0)
  return { link, memory, channel, key, state: new SharedState(mapped) }
}

/** Resolves when its socket answers; false when it does not. */
function startHolder(program: string, { paths, log }: HolderOptions): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(program, [paths.holderSocket, paths.lockFile, paths.logFile, String(SHARED_BYTES)], {
      detached: true,
      cwd: '/',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const timer = setTimeout(() => settle(false), START_MS)
    const settle = (isReady: boolean): void => {
      clearTimeout(timer)
      child.stdout.destroy()
      child.unref()
      resolve(isReady)
    }
    child.stdout.once('data', () => settle(true))
    child.once('error', (error) => {
      log.warn('the holder could not be started', { error: error.message })
      settle(false)
    })
    child.once('exit', () => settle(false))
  })
}

const text = (type: string, rest: string): Buffer => Buffer.from(type + rest, 'utf8')
