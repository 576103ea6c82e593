/**
 * Each directory of a version has one name. Another device may publish one under two names, as a graph of 31 blocks
 * with 2^30 paths. So the place where a directory was found first is kept while the tree is made from that version.
 */
import { equalBytes, isDriveError, type Digest } from '../../base/index.js'
import { decodeEntry, type EntryRecord, type MapRow } from '../../dag/index.js'
import { isDirectory } from '../../model/index.js'
import type { QueueTables } from './queue-tables.js'

/**
 * Notes the place of a directory, unless another one is known.
 * @param root digest of its root node
 * @returns false if it was found at another place
 */
export function isOnlyName(
  root: Digest,
  at: { readonly parent: Digest; readonly name: Uint8Array },
  { directories }: Pick<QueueTables, 'directories'>,
): boolean {
  const place = Buffer.concat([at.parent, at.name])
  const known = directories.get(root)
  if (known !== undefined) return equalBytes(known, place)
  directories.put(root, place)
  return true
}

/** Whether a row that was not loaded leads to a directory that is known at another place. */
export function isSecondName(
  parent: Digest,
  [name, value]: MapRow,
  { directories }: Pick<QueueTables, 'directories'>,
): boolean {
  const entry = readableEntry(value)
  if (entry?.content.kind !== 'tree' || !isDirectory(entry)) return false
  const known = directories.get(entry.content.ref.digest)
  return known !== undefined && !equalBytes(known, Buffer.concat([parent, name]))
}

/** Undefined if it cannot be decoded. */
export function readableEntry(bytes: Uint8Array): EntryRecord | undefined {
  try {
    return decodeEntry(bytes)
  } catch (error) {
    if (isDriveError(error, 'CORRUPT')) return undefined
    throw error
  }
}
