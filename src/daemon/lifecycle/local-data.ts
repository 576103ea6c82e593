/**
 * Prepares the folder of local data before anything in it is opened. It checks whether this program may write it and
 * whether the first opening was interrupted, and it keeps the home id that sealed rows are bound to.
 */
import { existsSync, type Stats } from 'node:fs'
import { lstat, readdir, rm, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { DriveError, hex, type Log, type Random, type SecretKey } from '../../base/index.js'
import { readHomeFile, syncDirectory, writePrivateFile } from '../../platform/index.js'
import { bindLocalKey, createRecordSealer } from '../../crypto/index.js'
import { hasRows, requireKnownFormat, type RowSealer } from '../../storage/kv/index.js'
import { TABLES } from '../../tree-state/index.js'

/** Folders of the local data that are LMDB environments. */
export const ENVIRONMENTS = ['meta', 'index', 'queue'] as const

/** Tables that have rows as soon as something is created or written in the tree. */
const TREE_TABLES = [TABLES.dentries, TABLES.links, TABLES.pages, TABLES.chunks] as const

/**
 * Checks and cleans the folder.
 * @throws INVALID if a newer program wrote any of it, ACCESS_DENIED if something else is in the place of a folder or a
 * database of it; nothing is changed then
 */
export async function prepareLocalData(directory: string, log: Log): Promise<void> {
  for (const path of [directory, ...[...ENVIRONMENTS, 'segments'].map((name) => join(directory, name))])
    await requireFolder(path)
  await removeNeverWritten(directory)
  for (const name of ENVIRONMENTS) await requireKnownFormat(join(directory, name))
  if ((await readHomeFile(beginningFile(directory))) === undefined) return
  if (await hasRows(join(directory, 'meta'), TREE_TABLES)) {
    log.warn('the first opening of this home was marked as unfinished; its tree has content and is kept')
    return endFirstOpening(directory)
  }
  log.warn('the first opening of this home was interrupted; it is repeated')
  // Without `node`, because the blocks of the embedded store are published.
  for (const name of [...ENVIRONMENTS, 'segments']) await rm(join(directory, name), { recursive: true, force: true })
  syncDirectory(directory)
  await endFirstOpening(directory)
}

/** A missing one is made later. A link to a folder on another disk is one. */
async function requireFolder(path: string): Promise<void> {
  if ((await lstat(path).catch(absent)) === undefined) return
  const found = await stat(path).catch(() => undefined) // a link to nothing, or a loop of links
  if (found?.isDirectory() === true) return
  throw new DriveError(
    'ACCESS_DENIED',
    `${path} is not a folder, or a link to none. Move it away, and put back the folder with the local data of the drive.`,
  )
}

/** Killed while the first environments were being made: their files are empty, and there is nothing else. */
async function removeNeverWritten(directory: string): Promise<void> {
  const files = ENVIRONMENTS.map((name) => join(directory, name, 'data.mdb'))
  const sizes = await Promise.all(files.map((file) => lstat(file).then(sizeOf, absent)))
  const segments = await readdir(join(directory, 'segments')).catch(absent)
  if (sizes.some((size) => size !== undefined && size > 0) || (segments ?? []).length > 0) return
  for (const file of files) await rm(file, { force: true })
}

/** Anything but a file was not made by this program; it is refused later. */
const sizeOf = (found: Stats): number => (found.isFile() ? found.size : 1)

function absent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
}

/**
 * Durable before the first local record is written. Until `endFirstOpening`, tree and queue may lack the version they
 * start from.
 */
export async function markFirstOpening(directory: string): Promise<void> {
  await writePrivateFile(beginningFile(directory), '')
}

/** Durable: after a power cut, a leftover mark would apply to a tree in use. */
export async function endFirstOpening(directory: string): Promise<void> {
  await unlink(beginningFile(directory))
  syncDirectory(directory)
}

/**
 * The id of this home, created with its first environment; undefined for local data from before homes had one.
 * @throws CORRUPT if the file does not have the expected format
 */
export async function homeOf(directory: string, random: Random): Promise<Uint8Array | undefined> {
  const path = join(directory, 'home')
  const text = (await readHomeFile(path))?.toString('latin1')
  if (text !== undefined) {
    if (/^[0-9a-f]{32}\n$/.test(text)) return Buffer.from(text, 'hex')
    throw new DriveError('CORRUPT', 'The file with the id of this home is damaged.')
  }
  if (ENVIRONMENTS.some((name) => existsSync(join(directory, name, 'data.mdb')))) return undefined
  const home = random.bytes(16)
  await writePrivateFile(path, `${hex(home)}\n`)
  return home
}

/** @param environment a folder of the local data. Its rows cannot be opened as rows of another environment or home */
export function localSealer(
  localKey: SecretKey,
  home: Uint8Array | undefined,
  environment: (typeof ENVIRONMENTS)[number],
  random: Random,
): RowSealer {
  return createRecordSealer(home === undefined ? localKey : bindLocalKey(localKey, home, environment), random)
}

const beginningFile = (directory: string): string => join(directory, 'beginning')
