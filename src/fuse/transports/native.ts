/** Finds and loads the native addon, and declares its exports. See native/fuse_channel.c and native/mount.c. */
import { createRequire } from 'node:module'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** `result` is a descriptor or 0, or a negative error number; `message` is the output of fusermount3. */
export interface NativeOutcome {
  readonly result: number
  readonly message: string
}

export interface ChannelSettings {
  /** The connection to the kernel. The channel owns it, unless it cannot be opened. */
  readonly fd: number
  /** Room for requests: a multiple of 8, at most 64 MiB. */
  readonly arenaBytes: number
  /** The longest request, at least 8192. */
  readonly requestBytes: number
  /** The most requests delivered at once, 1 to 1024. */
  readonly maxBatch: number
  /** Room for replies: a multiple of 8, 512 to 1 MiB. */
  readonly outBytes: number
  readonly mode: ChannelMode
  readonly onBatch: (count: number) => void
  /** Called once, when reading fails permanently. */
  readonly onEnd: (errno: number) => void
}

export interface NativeChannel {
  /** arena, then the index as pairs of uint32 (offset, length), then out. */
  readonly memory: ArrayBuffer
  reply(length: number): number
  replyWith(headLength: number, segments: readonly Uint8Array[]): number
  /** With `keeps`, the connection outlives this thread, unless a notification hangs in it. */
  abortAtExit(path: string, keeps: boolean): number
  guard(on: boolean): number
  stop(): number
}

/** The link to the holder (native/holder_link.c); missing in an addon that is older than the holder. */
export interface HolderCalls {
  holderConnect(path: string): number
  holderSend(link: number, bytes: Uint8Array, fd: number): number
  /** @returns the length or a negative errno, and two descriptors or -1 */
  holderReceive(link: number, bytes: Uint8Array, timeoutMs: number): [number, number, number]
  duplicate(fd: number): number
  closeDescriptor(fd: number): number
  mapShared(fd: number, bytes: number): ArrayBuffer | number
  /** Whole pages of memory become those of the shared memory from `start` on. */
  shareBytes?(bytes: Uint8Array, fd: number, start: number): number
  releaseShared(memory: ArrayBuffer, start: number, length: number): number
}

export interface HolderNative extends HolderCalls {
  /** The path of the holder's program. */
  readonly program: string
}

export interface FuseNative extends Partial<HolderCalls> {
  readonly compiledUvMajor: number
  readonly runtimeUvMajor: number
  mount(source: string, target: string, type: string, options: string, flags: number): Promise<NativeOutcome>
  fusermount(target: string, options: string): Promise<NativeOutcome>
  umount(target: string, flags: number): Promise<NativeOutcome>
  syncfs(path: string): Promise<NativeOutcome>
  /** These three are missing in older addons. They follow no link in the path. */
  openDirectory?(path: string): Promise<NativeOutcome>
  /** Opens the directory below any mount on it. Root only. */
  openBeneath?(path: string): Promise<NativeOutcome>
  /** Moves the mount at `beside` to `target`, where it replaces the existing mount. Root only. */
  placeBeneath?(beside: string, target: string): Promise<NativeOutcome>
  /** @returns a negative error number on failure */
  openChannel(settings: ChannelSettings): NativeChannel | number
}

/** On the event loop with uv_poll, or with a reader thread that needs no libuv. */
export const CHANNEL_MODE = { POLL: 0, THREAD: 1 } as const
export type ChannelMode = (typeof CHANNEL_MODE)[keyof typeof CHANNEL_MODE]

export const MS = { RDONLY: 1, NOSUID: 2, NODEV: 4 } as const
export const MNT_DETACH = 2

let loaded: FuseNative | undefined
let failure: string | undefined

/** The addon, or the reason why it cannot be loaded. */
export function loadFuseNative(): { addon: FuseNative } | { reason: string } {
  if (loaded === undefined && failure === undefined) {
    try {
      const addon = createRequire(import.meta.url)(addonPath()) as Partial<FuseNative>
      if (addon.openChannel === undefined) failure = 'it was built from older sources'
      else loaded = addon as FuseNative
    } catch (error) {
      failure = error instanceof Error ? (error.message.split('\n')[0] ?? 'unknown') : String(error)
    }
  }
  return loaded !== undefined ? { addon: loaded } : { reason: failure ?? 'unknown' }
}

/** `build/Release` of the nearest folder above this file that has a package.json. */
function addonPath(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json')) && folder !== dirname(folder)) folder = dirname(folder)
  return join(folder, 'build', 'Release', 'dagdrive_fuse.node')
}

/** libuv's ABI is stable only within a major version. `DAGDRIVE_FUSE_CHANNEL=thread` forces the thread. */
export function channelMode(addon: FuseNative, environment: NodeJS.ProcessEnv): ChannelMode {
  if (environment['DAGDRIVE_FUSE_CHANNEL'] === 'thread') return CHANNEL_MODE.THREAD
  return addon.compiledUvMajor === addon.runtimeUvMajor ? CHANNEL_MODE.POLL : CHANNEL_MODE.THREAD
}

/** The native parts for a holder; undefined unless all are built. */
export function holderNative(): HolderNative | undefined {
  const native = loadFuseNative()
  const program = join(dirname(addonPath()), 'dagdrive_holder')
  if (!('addon' in native) || native.addon.holderConnect === undefined || !existsSync(program)) return undefined
  return { ...(native.addon as FuseNative & HolderCalls), program }
}

/** The reason why the native addon cannot be used; undefined when it can. */
export function fuseAddonProblem(): string | undefined {
  const native = loadFuseNative()
  return 'addon' in native ? undefined : native.reason
}
