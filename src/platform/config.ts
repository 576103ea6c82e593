/**
 * The configuration of one drive on this machine: what it may say, its defaults, reading and writing it. No secrets.
 */
import { DriveError, GIB, KIB } from '../base/index.js'
import type { EnvironmentVariables } from './paths.js'
import { readFileIfAny, writePrivateFile } from './private-file.js'

export interface DriveConfig {
  readonly version: 1
  /** Where published versions go: `embedded`, `file:///path`, `http(s)://host:port`, or `unix:///path/to/api.sock`. */
  readonly nodeUrl: string
  /** A move to this node was begun and did not end; `nodeUrl` is the drive's node all the same. */
  readonly movingTo?: string | undefined
  /** This device's place among the drive's devices, 0 … 255. */
  readonly deviceSlot: number
  readonly deviceName: string
  /**
   * A published drive was opened here (true) or a new one was made (false): an empty cache must never pass for an empty
   * drive.
   */
  readonly openedExisting: boolean
  /** Quiet time after the last edit before an upload starts. */
  readonly debounceMs: number
  /** Sealed blocks kept on this machine above what exists nowhere else. */
  readonly cacheBytes: number
  /** Bytes a second that the slow check reads from the node; 0 switches it off. */
  readonly scrubBytesPerSecond: number
}

export const DEFAULT_CONFIG: DriveConfig = {
  version: 1,
  nodeUrl: 'embedded',
  deviceSlot: 0,
  deviceName: 'device',
  openedExisting: false,
  debounceMs: 5000,
  cacheBytes: 20 * GIB,
  scrubBytesPerSecond: 128 * KIB,
}

const WHOLE = (least: number, most: number) => (value: unknown) =>
  Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most

const FIELDS: { readonly [K in keyof DriveConfig]-?: (value: unknown) => boolean } = {
  version: (value) => value === 1,
  nodeUrl: (value) => typeof value === 'string' && isNodeUrl(value),
  movingTo: (value) => typeof value === 'string' && isNodeUrl(value),
  deviceSlot: WHOLE(0, 255),
  deviceName: (value) => typeof value === 'string' && isDeviceName(value),
  openedExisting: (value) => typeof value === 'boolean',
  debounceMs: WHOLE(0, 24 * 3_600_000),
  cacheBytes: WHOLE(0, Number.MAX_SAFE_INTEGER),
  scrubBytesPerSecond: WHOLE(0, Number.MAX_SAFE_INTEGER),
}

/** True for a name that a commit can hold (255 bytes as UTF-8) and any terminal can show. */
export function isDeviceName(text: string): boolean {
  return Buffer.byteLength(text) <= 255 && !/\p{Cc}|\p{Cs}/u.test(text)
}

/** True for a node address of a kind this program knows; no credentials may be in it. */
export function isNodeUrl(text: string): boolean {
  if (text === 'embedded') return true
  // `file:folder` is read as a folder at the root of the disk, which nobody means.
  if (!/^(https?:\/\/|(file|unix):\/\/\/)/iu.test(text) || !URL.canParse(text)) return false
  const url = new URL(text)
  return ['http:', 'https:', 'file:', 'unix:'].includes(url.protocol) && url.username === '' && url.password === ''
}

/** Reads the file over the defaults; the defaults when there is none. INVALID names the field that is wrong. */
export async function readConfig(path: string): Promise<DriveConfig> {
  const text = await readFileIfAny(path)
  if (text === undefined) return DEFAULT_CONFIG
  let given: unknown
  try {
    given = JSON.parse(text.toString('utf8'))
  } catch (error) {
    throw new DriveError('INVALID', `${path} is not JSON.`, { cause: error })
  }
  if (typeof given !== 'object' || given === null) throw new DriveError('INVALID', `${path} holds no JSON object.`)
  for (const [name, value] of Object.entries(given)) {
    const allowed = Object.hasOwn(FIELDS, name) ? FIELDS[name as keyof DriveConfig] : undefined
    if (allowed === undefined) throw new DriveError('INVALID', `${path}: "${name}" is not a setting.`)
    if (!allowed(value)) throw new DriveError('INVALID', `${path}: the value of "${name}" is not valid.`)
  }
  return { ...DEFAULT_CONFIG, ...(given as Partial<DriveConfig>) }
}

/** The configuration with what the environment says over it: `DAGDRIVE_DEBOUNCE_MS`. */
export function withEnvironment(config: DriveConfig, environment: EnvironmentVariables): DriveConfig {
  const text = environment['DAGDRIVE_DEBOUNCE_MS']
  if (text === undefined || text === '') return config
  const debounceMs = Number(text)
  if (!FIELDS.debounceMs(debounceMs)) throw new DriveError('INVALID', 'DAGDRIVE_DEBOUNCE_MS is not a whole number.')
  return { ...config, debounceMs }
}

export async function writeConfig(path: string, config: DriveConfig): Promise<void> {
  await writePrivateFile(path, `${JSON.stringify(config, undefined, 2)}\n`)
}
