/** New versions of the directories a set of changes affects, bottom-up, and of the link table. */
import { DriveError } from '../../base/index.js'
import { directoryRow, encodeEntry, sortRows, type EntryRecord, type MapRow, type TreeRef } from '../../dag/index.js'
import { be64, readBe64, pagesOf } from '../../storage/kv/index.js'
import type { InodeRecord } from '../../tree-state/index.js'
import { affectedBy } from './affected.js'
import { buildVersion, dropMap, sameDigest, type BuildContext } from './build-context.js'
import { contentOf, countRows } from './build-files.js'
import { entryOf, isDirectory, isHardLinked, ROOT_INO, sharedEntryOf, treeContent } from '../entry-of.js'
import { digestOf } from '../tables/queue-tables.js'

export interface BuiltTree {
  readonly root: EntryRecord
  readonly links: TreeRef | undefined
  /** Changed files, for progress. */
  readonly files: number
}

/** @param links the published link table */
export async function buildTree(links: TreeRef | undefined, context: BuildContext): Promise<BuiltTree> {
  const { view, pace } = context
  const { dirty, directories } = affectedBy(view, await dropUnlinked(context))
  const waiting = new Set(dirty)
  const contents = new Map<number, TreeRef | undefined>()
  for (const ino of directories) {
    const record = required(view.inode(ino))
    contents.set(ino, await buildDirectory(record, contents, waiting, context))
    waiting.delete(ino)
  }
  const newLinks = await buildLinks(links, waiting, context)
  for (const ino of waiting) {
    await pace.step()
    const record = view.inode(ino)
    if (record !== undefined && !isDirectory(record)) countRows(ino, context)
  }
  for (const ino of view.orphans()) countRows(ino, context)
  const root = required(view.inode(ROOT_INO))
  return { root: entryOf(root, treeContent(contents.get(ROOT_INO))), links: newLinks, files: dirty.size }
}

async function buildDirectory(
  record: InodeRecord,
  contents: ReadonlyMap<number, TreeRef | undefined>,
  waiting: Set<number>,
  context: BuildContext,
): Promise<TreeRef | undefined> {
  // Only its attributes changed: whatever is below was never loaded.
  if (record.unloaded) return record.ref
  const rows: MapRow[] = []
  for (const { name, ino } of context.view.entries(record.ino)) {
    await context.pace.step()
    rows.push(directoryRow(name, await childEntry(required(context.view.inode(ino)), contents, waiting, context)))
  }
  if (rows.length === 0 && record.ref === undefined) return undefined
  if (rows.length === 0) {
    await dropMap(record.ref!, context)
    context.tables.refs.put(be64(record.ino), new Uint8Array(0))
    return undefined
  }
  const ref = await buildVersion(sortRows(rows), record.ref, context)
  if (record.ref === undefined || !sameDigest(ref.digest, record.ref.digest)) {
    context.tables.refs.put(be64(record.ino), Buffer.concat([ref.digest, ref.key]))
  }
  return ref
}

async function childEntry(
  child: InodeRecord,
  contents: ReadonlyMap<number, TreeRef | undefined>,
  waiting: Set<number>,
  context: BuildContext,
): Promise<EntryRecord> {
  if (isDirectory(child))
    return entryOf(child, treeContent(contents.has(child.ino) ? contents.get(child.ino) : child.ref))
  if (isHardLinked(child)) return sharedEntryOf(child)
  return entryOf(child, await contentOf(child, waiting.delete(child.ino), context))
}

/**
 * Takes files out of the link table that are gone or have one name left. @returns the latter: the directory of that name has to say
 * of them what the link table said
 */
async function dropUnlinked(context: BuildContext): Promise<InodeRecord[]> {
  const { view, tables, pace } = context
  const single: InodeRecord[] = []
  const changed = await linkedNoMore(context)
  for (const rows of pagesOf(tables.shared)) {
    for (const [fileId, value] of rows) {
      await pace.step()
      const ino = readBe64(value) || (changed.get(latin1(fileId)) ?? 0)
      const record = ino === 0 ? undefined : view.inode(ino)
      if (ino === 0 || (record !== undefined && isHardLinked(record))) continue
      tables.newShared.put(fileId, new Uint8Array(0))
      if (record !== undefined) single.push(record)
    }
  }
  // Found and removed since the published version: the table does not know the inode number they had.
  for (const removed of view.removed()) {
    await pace.step()
    if (removed.kind === 'link' && tables.shared.get(removed.fileId) !== undefined)
      tables.newShared.put(removed.fileId, new Uint8Array(0))
  }
  return single
}

/** Changed files with one name, by identity: the link table may know them without knowing their inode numbers here. */
async function linkedNoMore({ view, tables, pace }: BuildContext): Promise<ReadonlyMap<string, number>> {
  const single = new Map<string, number>()
  for (const { ino } of view.changes()) {
    await pace.step()
    const record = view.inode(ino)
    if (record === undefined || isDirectory(record) || isHardLinked(record)) continue
    if (tables.shared.get(record.fileId) !== undefined) single.set(latin1(record.fileId), ino)
  }
  return single
}

/**
 * The link table: records of the published one, with those of changed files replaced. Rows of `shared` hold the inode number they
 * were known by here (0: never loaded on this machine), which tells a removed file from one that was never looked at.
 */
async function buildLinks(
  previous: TreeRef | undefined,
  waiting: Set<number>,
  context: BuildContext,
): Promise<TreeRef | undefined> {
  const { view, tables, pace } = context
  const note = async (ino: number): Promise<void> => {
    await pace.step()
    const record = view.inode(ino)
    if (record === undefined || !isHardLinked(record)) return
    const known = tables.shared.get(record.fileId)
    const isDirty = waiting.delete(ino)
    if (known !== undefined && !isDirty && readBe64(known) === ino) return
    const entry = encodeEntry(entryOf(record, await contentOf(record, isDirty, context)))
    tables.newShared.put(record.fileId, Buffer.concat([be64(ino), entry]))
  }
  for (const { ino } of view.linked()) await note(ino)
  for (const ino of waiting) await note(ino)
  return linkTable(previous, context)
}

async function linkTable(previous: TreeRef | undefined, context: BuildContext): Promise<TreeRef | undefined> {
  const { tables } = context
  const changes = [...tables.newShared.range()]
  if (changes.length === 0) return previous
  const rows = new Map<string, MapRow>()
  for (const page of pagesOf(tables.shared))
    for (const [key, value] of page) rows.set(latin1(key), [digestOf(key), value.subarray(8)])
  for (const [key, value] of changes) {
    if (value.length === 0) rows.delete(latin1(key))
    else rows.set(latin1(key), [digestOf(key), value.subarray(8)])
  }
  if (rows.size > 0) return buildVersion(sortRows([...rows.values()]), previous, context)
  if (previous !== undefined) await dropMap(previous, context)
  return undefined
}

function latin1(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}

function required(record: InodeRecord | undefined): InodeRecord {
  if (record === undefined)
    throw new DriveError(
      'CORRUPT',
      'The data of this drive are damaged: a directory names an inode that is not there. docs/RECOVERY.md says what to do.',
    )
  return record
}
