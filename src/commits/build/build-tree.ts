/** Builds new versions of the affected directories, bottom-up, and of the link table. */
import { DriveError, type PlainName } from '../../base/index.js'
import { directoryRow, encodeEntry, type EntryRecord, type MapRow, type TreeRef } from '../../dag/index.js'
import { be64, pagesOf, readBe64, rowsIn } from '../../storage/kv/index.js'
import type { InodeRecord } from '../../tree-state/index.js'
import { affectedDirectories, findAffected } from './affected.js'
import { buildVersion, dropMap, isToBeRenewed, sameDigest, type BuildContext } from './build-context.js'
import { contentOf, countOrphan } from './build-files.js'
import { countContent, countDirectory } from './count-anew.js'
import { sortedEntries } from './sorted-entries.js'
import { isDirectory, ROOT_INO } from '../../model/index.js'
import { entryRecordOf, isHardLinked, sharedEntryOf, treeContent } from '../entry-of.js'
import { readableEntry } from '../tables/directory-names.js'
import { joinRows } from '../tables/join-rows.js'
import { digestOf } from '../tables/queue-tables.js'
import { carryUnreadable, hasUnreadable, withUnreadable } from '../tables/unreadable-entries.js'

export interface BuiltTree {
  readonly root: EntryRecord
  readonly links: TreeRef | undefined
  /** Number of changed files, for progress. */
  readonly files: number
}

/** @param links the published link table */
export async function buildTree(links: TreeRef | undefined, context: BuildContext): Promise<BuiltTree> {
  const { view, tables } = context
  const files = await findAffected(await dropUnlinked(context), context)
  for (const ino of affectedDirectories(context)) await buildDirectory(required(view.inode(ino)), context)
  const newLinks = await buildLinks(links, context)
  for (const ino of view.orphans()) await countOrphan(ino, context)
  const root = required(view.inode(ROOT_INO))
  return { root: entryRecordOf(root, treeContent(newRef(root, tables))), links: newLinks, files }
}

/** Records the directory's new content node in `refs`, if it differs from the old one. */
async function buildDirectory(record: InodeRecord, context: BuildContext): Promise<void> {
  const { tables } = context
  // Only its attributes changed: its entries were never loaded.
  if (record.unloaded)
    return context.isAnew && record.ref !== undefined ? countDirectory(record.ref, context) : undefined
  const before = record.ref?.digest
  const hasKept = before !== undefined && hasUnreadable(before, tables)
  if (!context.view.hasEntries(record.ino) && !hasKept) {
    if (record.ref === undefined) return
    await dropMap(record.ref, context)
    tables.refs.put(be64(record.ino), new Uint8Array(0))
    return
  }
  const own = directoryRows(record.ino, context)
  const ref = await buildVersion(hasKept ? withUnreadable(own, before, context) : own, record.ref, context)
  if (before !== undefined && sameDigest(ref.digest, before)) return
  if (hasKept) await carryUnreadable(before, ref.digest, context)
  tables.refs.put(be64(record.ino), Buffer.concat([ref.digest, ref.key]))
}

/** In byte order of the names. */
async function* directoryRows(directory: number, context: BuildContext): AsyncGenerator<MapRow, undefined> {
  const { view, pace } = context
  const entries = function* (): Generator<{ name: PlainName; ino: number }> {
    for (const { name, ino } of view.entries(directory)) yield { name, ino }
  }
  for await (const { name, ino } of sortedEntries(entries, pace))
    yield directoryRow(name, await childEntry(required(view.inode(ino)), context))
}

async function childEntry(child: InodeRecord, context: BuildContext): Promise<EntryRecord> {
  if (isDirectory(child)) return entryRecordOf(child, treeContent(newRef(child, context.tables)))
  if (isHardLinked(child)) return sharedEntryOf(child)
  return entryRecordOf(child, await contentOf(child, isChanged(child.ino, context), context))
}

/** A directory's content node in the new version. */
function newRef({ ino, ref }: InodeRecord, { refs }: BuildContext['tables']): TreeRef | undefined {
  const made = refs.get(be64(ino))
  if (made === undefined) return ref
  return made.length === 0 ? undefined : { digest: made.slice(0, 32), key: made.slice(32, 64) }
}

/**
 * Removes from the link table the files that are gone or have one name left. @returns the files with one name left:
 * their full record moves to the directory of that name
 */
async function dropUnlinked(context: BuildContext): Promise<Pick<InodeRecord, 'parent'>[]> {
  const { view, tables, pace } = context
  const single: Pick<InodeRecord, 'parent'>[] = []
  const changed = await linkedNoMore(context)
  for (const rows of pagesOf(tables.shared)) {
    for (const [fileId, value] of rows) {
      await pace.step()
      const ino = readBe64(value) || (changed.get(latin1(fileId)) ?? 0)
      const record = ino === 0 ? undefined : view.inode(ino)
      if (ino === 0 || (record !== undefined && isHardLinked(record))) continue
      tables.newShared.put(fileId, new Uint8Array(0))
      if (record !== undefined) single.push({ parent: record.parent })
    }
  }
  // Loaded and removed since the published version: the table does not have their inode numbers.
  for (const removed of view.removed()) {
    await pace.step()
    if (removed.kind === 'link' && tables.shared.get(removed.fileId) !== undefined)
      tables.newShared.put(removed.fileId, new Uint8Array(0))
  }
  return single
}

/** Changed files with one name, by fileId. The link table may contain them without their local inode numbers. */
async function linkedNoMore({ view, tables, pace }: BuildContext): Promise<ReadonlyMap<string, number>> {
  const single = new Map<string, number>()
  if (isEmpty(rowsIn(tables.shared))) return single
  for (const { ino } of view.changes()) {
    await pace.step()
    const record = view.inode(ino)
    if (record === undefined || isDirectory(record) || isHardLinked(record)) continue
    if (tables.shared.get(record.fileId) !== undefined) single.set(latin1(record.fileId), ino)
  }
  return single
}

/**
 * Builds the link table: the published records, with those of changed files replaced. Rows of `shared` hold the local
 * inode number (0: never loaded on this machine). This distinguishes a removed file from one that was never loaded.
 */
async function buildLinks(previous: TreeRef | undefined, context: BuildContext): Promise<TreeRef | undefined> {
  const { view, tables, pace } = context
  const note = async (ino: number): Promise<void> => {
    await pace.step()
    const record = view.inode(ino)
    if (record === undefined || !isHardLinked(record) || tables.newShared.get(record.fileId)?.length) return
    const known = tables.shared.get(record.fileId)
    const isDirty = isChanged(ino, context)
    if (known !== undefined && !isDirty && readBe64(known) === ino) return
    const entry = encodeEntry(entryRecordOf(record, await contentOf(record, isDirty, context)))
    tables.newShared.put(record.fileId, Buffer.concat([be64(ino), entry]))
  }
  for (const { ino } of view.linked()) await note(ino)
  for (const { ino } of view.changes()) await note(ino)
  if (context.isAnew) await countUnseenLinks(context)
  return linkTable(previous, context)
}

/** Counts the files of the link table that have no inode on this machine. */
async function countUnseenLinks(context: BuildContext): Promise<void> {
  for (const { left, right } of joinRows(rowsIn(context.tables.shared), rowsIn(context.tables.newShared)))
    if (right === undefined && left !== undefined) await countEncoded(left.subarray(8), context)
}

/** The content of an entry that cannot be decoded is unknown. */
async function countEncoded(bytes: Uint8Array, context: BuildContext): Promise<void> {
  const entry = readableEntry(bytes)
  if (entry !== undefined) await countContent(entry, context)
}

async function linkTable(previous: TreeRef | undefined, context: BuildContext): Promise<TreeRef | undefined> {
  const { tables, isAnew } = context
  const isSame = !isAnew && isEmpty(rowsIn(tables.newShared))
  if (isSame && !(await isToBeRenewed(previous, context))) return previous
  if (!isEmpty(linkRows(context))) return buildVersion(linkRows(context), previous, context)
  if (previous !== undefined) await dropMap(previous, context)
  return undefined
}

/** Rows of the new link table: the published rows with the changes applied. */
function* linkRows({ tables }: BuildContext): Generator<MapRow, undefined> {
  for (const { key, left, right } of joinRows(rowsIn(tables.shared), rowsIn(tables.newShared))) {
    const row = right ?? left
    if (row !== undefined && row.length > 0) yield [digestOf(key), row.subarray(8)]
  }
}

function latin1(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}

/** Whether its attributes or content changed since the published version. */
function isChanged(ino: number, { view, isAnew }: BuildContext): boolean {
  return isAnew || view.isDirty(ino)
}

function isEmpty(rows: Generator<unknown, undefined>): boolean {
  return rows.next().done === true
}

function required(record: InodeRecord | undefined): InodeRecord {
  if (record === undefined)
    throw new DriveError(
      'CORRUPT',
      'The local data of this drive is damaged: a directory refers to a missing inode. See docs/RECOVERY.md.',
    )
  return record
}
