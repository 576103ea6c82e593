/**
 * The format of a local environment, in a row of its own. It is read before the environment is opened for writing, so
 * that an older program does not change the data of a newer one. This file opens LMDB read-only.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { open } from 'lmdb'
import { DriveError } from '../../base/index.js'
import type { Named, Root } from './lmdb-database.js'
import { isUnfinished, requireDatabase, requireDatabaseFiles } from './require-database.js'

/**
 * The format that this program writes. Environments without this row have format 1. Format 2 has split values
 * (split-values.ts); rows of format 1 can be read unchanged. Format 3 has no names in the keys of the upload queue;
 * rows of format 2 are moved.
 */
const ENVIRONMENT_FORMAT = 3

const TABLE = 'environment'
const KEY = Buffer.from('format')
const DATABASE = { encoding: 'binary', keyEncoding: 'binary' } as const

/**
 * @param path directory of an environment that is not open in this process; a missing one is accepted
 * @throws INVALID when a newer program wrote it; ACCESS_DENIED or CORRUPT if it is not a database
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

/** The table of the format row, and the row if it is missing or older. It is written with the first commit. */
export function missingFormatRow(root: Root): { database: Named; key: Buffer; value: Buffer } | undefined {
  const database: Named = root.openDB({ name: TABLE, ...DATABASE })
  if (formatOf(database) === ENVIRONMENT_FORMAT) return undefined
  const value = Buffer.alloc(2)
  value.writeUInt16BE(ENVIRONMENT_FORMAT)
  return { database, key: KEY, value }
}

function formatOf(database: Named | undefined): number | undefined {
  const row = database?.get(KEY)
  return row === undefined ? undefined : Buffer.from(row).readUInt16BE()
}

/** An existing table, read-only; never creates one. */
function table(root: Root, name: string): Named | undefined {
  return root.openDB({ name, ...DATABASE })
}

async function reading<T>(path: string, read: (root: Root) => T): Promise<T | undefined> {
  requireDatabaseFiles(path)
  if (!existsSync(join(path, 'data.mdb')) || isUnfinished(path)) return undefined
  requireDatabase(path)
  const root: Root = open({ path, ...DATABASE, noSubdir: false, readOnly: true, maxDbs: 32 })
  try {
    return read(root)
  } finally {
    await root.close()
  }
}
