/**
 * The configuration of one drive on this machine: its fields, their defaults, reading and writing the file. It holds no
 * secrets.
 */
import { DriveError, GIB, KIB } from '../base/index.js'
import type { DrivePaths, EnvironmentVariables } from './paths.js'
import { readHomeFile } from './home-file.js'
import { writePrivateFile } from './private-file.js'

export interface DriveConfig {
  readonly version: 1
  /** Where published versions go: `embedded`, `file:///path`, `http(s)://host:port`, or `unix:///path/to/api.sock`. */
  readonly nodeUrl: string
  /** The target of an unfinished move to another node. `nodeUrl` is still the drive's node. */
  readonly movingTo?: string | undefined
  /** This device's place among the drive's devices, 0 … 255. */
  readonly deviceSlot: number
  readonly deviceName: string
  /**
   * True: this home opened a published drive. False: it made a new one. So an empty cache is never mistaken for an
   * empty drive.
   */
  readonly openedExisting: boolean
  /** Quiet time after the last edit before an upload starts. */
  readonly debounceMs: number
  /** Size limit of the block cache; only copies do not count. */
  readonly cacheBytes: number
  /** Bytes per second that the background scrub reads from the node; 0 switches it off. */
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

/** True for a name that fits into a commit (255 bytes of UTF-8) and that every terminal can show. */
export function isDeviceName(text: string): boolean {
  return Buffer.byteLength(text) <= 255 && !/\p{Cc}|\p{Cs}/u.test(text)
}

/** True for a node address of a known kind without credentials. */
export function isNodeUrl(text: string): boolean {
  if (text === 'embedded') return true
  // URL parsers read `file:folder` as a folder at the root of the disk. No user means that.
  if (!/^(https?:\/\/|(file|unix):\/\/\/)/iu.test(text) || !URL.canParse(text)) return false
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') return false
  return /^https?:$/u.test(url.protocol) || (/^(file|unix):$/u.test(url.protocol) && isPath(url.pathname))
}

/** No file has a NUL or, in its name, a slash. */
function isPath(escaped: string): boolean {
  try {
    return !/%2f/iu.test(escaped) && !decodeURIComponent(escaped).includes('\0')
  } catch {
    return false
  }
}

/**
 * Reads the file and fills missing fields with the defaults. A home without a key has no drive yet: there a missing
 * file means the defaults. In a home with a key the default node and slot may be those of another device, so neither is
 * assumed.
 * @throws INVALID with the name of the wrong field, CORRUPT if there is a key but no file
 */
export async function readConfig({ configFile: path, keyFile }: ConfigFiles): Promise<DriveConfig> {
  const hasDrive = (await readHomeFile(keyFile)) !== undefined
  const text = await readHomeFile(path)
  if (text === undefined && hasDrive) throw new DriveError('CORRUPT', `${path} is missing. ${REMEDY}`)
  if (text === undefined) return DEFAULT_CONFIG
  let given: unknown
  try {
    given = JSON.parse(text.toString('utf8'))
  } catch (error) {
    throw new DriveError('INVALID', `${path} is not JSON. ${REMEDY}`, { cause: error })
  }
  if (typeof given !== 'object' || given === null)
    throw new DriveError('INVALID', `${path} does not hold a JSON object. ${REMEDY}`)
  for (const [name, value] of Object.entries(given)) {
    const allowed = Object.hasOwn(FIELDS, name) ? FIELDS[name as keyof DriveConfig] : undefined
    if (allowed === undefined) throw new DriveError('INVALID', `${path}: "${name}" is not a setting.`)
    if (!allowed(value)) throw new DriveError('INVALID', `${path}: the value of "${name}" is not valid.`)
  }
  const absent = hasDrive ? OF_THE_DEVICE.find((name) => !Object.hasOwn(given, name)) : undefined
  if (absent !== undefined) throw new DriveError('INVALID', `${path}: "${absent}" is missing. ${REMEDY}`)
  return { ...DEFAULT_CONFIG, ...(given as Partial<DriveConfig>) }
}

type ConfigFiles = Pick<DrivePaths, 'configFile' | 'keyFile'>

/** Where and as which device the drive publishes. A wrong guess would take the names of another device. */
const OF_THE_DEVICE = ['nodeUrl', 'deviceSlot'] as const

const REMEDY =
  'It names the node and the slot of this device, so nothing was changed. Restore it from a backup, or open the drive in another home: ' +
  '"DAGDRIVE_HOME=HOME dagdrive up DIR --node URL --phrase-file FILE". Changes that were not published are only in this home.'

/** The configuration, overridden by the environment: `DAGDRIVE_DEBOUNCE_MS`. */
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
