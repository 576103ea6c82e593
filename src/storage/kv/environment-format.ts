/**
 * The format of a local environment, in a row of its own. It is read before anything is opened for writing, so that an
 * older program leaves the data of a newer one as they are. LMDB is asked read-only here.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { open } from 'lmdb'
import { DriveError } from '../../base/index.js'
import type { Named, Root } from './lmdb-database.js'

/**
 * What this program writes. Environments without the row are of format 1 as well: they were made before there was one.
 */
const ENVIRONMENT_FORMAT = 1

const TABLE = 'environment'
const KEY = Buffer.from('format')
const DATABASE = { encoding: 'binary', keyEncoding: 'binary' } as const

/**
 * @param path directory of an environment that this process has not open; one that is not there has every format
 * @throws INVALID when a newer program made it
 */
export async function requireKnownFormat(path: string): Promise<void> {
  const format = await reading(path, (root) => formatOf(table(root, TABLE)))
  if (format === undefined || format <= ENVIRONMENT_FORMAT) return
  throw new DriveError('INVALID', 'The local data of this drive were made by a newer version of dagdrive.', {
    about: { format },
  })
}

/** @returns whether any of these tables has a row; same conditions as `requireKnownFormat` */
export async function hasRows(path: string, names: readonly string[]): Promise<boolean> {
  const has = (root: Root): boolean =>
    names.some((name) => [...(table(root, name)?.getKeys({ limit: 1 }) ?? [])].length > 0)
  return (await reading(path, has)) ?? false
}

/** The table of the row, and the row where it is missing; to be put with the first commit. */
export function missingFormatRow(root: Root): { database: Named; key: Buffer; value: Buffer } | undefined {
  const database: Named = root.openDB({ name: TABLE, ...DATABASE })
  if (formatOf(database) !== undefined) return undefined
  const value = Buffer.alloc(2)
  value.writeUInt16BE(ENVIRONMENT_FORMAT)
  return { database, key: KEY, value }
}

function formatOf(database: Named | undefined): number | undefined {
  const row = database?.get(KEY)
  return row === undefined ? undefined : Buffer.from(row).readUInt16BE()
}

/** A table that is there; read-only, none is made. */
function table(root: Root, name: string): Named | undefined {
  return root.openDB({ name, ...DATABASE })
}

async function reading<T>(path: string, read: (root: Root) => T): Promise<T | undefined> {
  if (!existsSync(join(path, 'data.mdb'))) return undefined
  const root: Root = open({ path, ...DATABASE, noSubdir: false, readOnly: true, maxDbs: 32 })
  try {
    return read(root)
  } finally {
    await root.close()
  }
}
