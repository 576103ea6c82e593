/**
 * The folder of a home's local data before anything in it is opened: whether this program may write it, whether its
 * beginning was cut off, and the number that binds sealed rows to this home.
 */
import { existsSync } from 'node:fs'
import { rm, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { DriveError, hex, type Log, type Random, type SecretKey } from '../../base/index.js'
import { readFileIfAny, syncDirectory, writePrivateFile } from '../../platform/index.js'
import { bindLocalKey, createRecordSealer } from '../../crypto/index.js'
import { hasRows, requireKnownFormat, type RowSealer } from '../../storage/kv/index.js'
import { TABLES } from '../../tree-state/index.js'

/** Folders of the local data that are LMDB environments. */
export const ENVIRONMENTS = ['meta', 'index', 'queue'] as const

/** Rows that a tree has once something was made in it or written to it. */
const TREE_TABLES = [TABLES.dentries, TABLES.links, TABLES.pages, TABLES.chunks] as const

/** Puts the folder in order. @throws INVALID, before anything is changed, when a newer program made any of it */
export async function prepareLocalData(directory: string, log: Log): Promise<void> {
  for (const name of ENVIRONMENTS) await requireKnownFormat(join(directory, name))
  if ((await readFileIfAny(beginningFile(directory))) === undefined) return
  if (await hasRows(join(directory, 'meta'), TREE_TABLES)) {
    log.warn('the first opening of this home was said to be unfinished; its tree has content and is kept')
    return endBeginning(directory)
  }
  log.warn('the first opening of this home was interrupted; it begins anew')
  // Not `node`: what the embedded store holds was published.
  for (const name of [...ENVIRONMENTS, 'segments']) await rm(join(directory, name), { recursive: true, force: true })
  syncDirectory(directory)
  await endBeginning(directory)
}

/**
 * Durable before the first local record is made: until `endBeginning`, tree and queue may not know where they begin.
 */
export async function markBeginning(directory: string): Promise<void> {
  await writePrivateFile(beginningFile(directory), '')
}

/** Durable: a mark that came back after a power cut would be about a tree in use. */
export async function endBeginning(directory: string): Promise<void> {
  await unlink(beginningFile(directory))
  syncDirectory(directory)
}

/**
 * The number of this home, made with its first environment; undefined for local data from before homes had one.
 * @throws CORRUPT when the file is not what this program writes
 */
export async function homeOf(directory: string, random: Random): Promise<Uint8Array | undefined> {
  const path = join(directory, 'home')
  const text = (await readFileIfAny(path))?.toString('latin1')
  if (text !== undefined) {
    if (/^[0-9a-f]{32}\n$/.test(text)) return Buffer.from(text, 'hex')
    throw new DriveError('CORRUPT', 'The file that says which home the local data belong to is damaged.')
  }
  if (ENVIRONMENTS.some((name) => existsSync(join(directory, name, 'data.mdb')))) return undefined
  const home = random.bytes(16)
  await writePrivateFile(path, `${hex(home)}\n`)
  return home
}

/** @param environment a folder of the local data: its rows cannot be opened as those of another, or of another home */
export function localSealer(
  localKey: SecretKey,
  home: Uint8Array | undefined,
  environment: (typeof ENVIRONMENTS)[number],
  random: Random,
): RowSealer {
  return createRecordSealer(home === undefined ? localKey : bindLocalKey(localKey, home, environment), random)
}

const beginningFile = (directory: string): string => join(directory, 'beginning')
