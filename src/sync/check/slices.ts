/**
 * Reads the tree from disk, a few rows at a time. Each slice has its own snapshot: a check can take hours on a slow
 * disk, and a snapshot held that long prevents the database from reusing space. A row may therefore have changed since
 * its slice was read.
 */
import { equalBytes, nameToText } from '../../base/index.js'
import { isDirectory, ROOT_INO } from '../../model/index.js'
import type { EnvironmentReader } from '../../storage/kv/index.js'
import { TreeView, type ChunkRecord, type InodeRecord } from '../../tree-state/index.js'

export type FileRow = ChunkRecord & { readonly ino: number }

/** Opens a view, reads from it and closes it. */
export function withView<T>(meta: EnvironmentReader, read: (view: TreeView) => T): T {
  const view = new TreeView(meta.snapshot())
  try {
    return read(view)
  } finally {
    view.close()
  }
}

/** Chunk rows of all files, ordered by file and offset. */
export function* chunkSlices(meta: EnvironmentReader, limit: number): Generator<FileRow[], undefined> {
  let [ino, offset] = [0, 0]
  for (;;) {
    const rows = withView(meta, (view) => take(view.chunksFrom(ino, offset), limit))
    if (rows.length > 0) yield rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < limit) return
    ;[ino, offset] = [last.ino, last.offset + 1]
  }
}

/** Inodes in numerical order. */
export function* inodeSlices(meta: EnvironmentReader, limit: number): Generator<InodeRecord[], undefined> {
  for (let from = 0; ;) {
    const records = withView(meta, (view) => take(view.inodes(from), limit))
    if (records.length > 0) yield records
    const last = records.at(-1)
    if (last === undefined || records.length < limit) return
    from = last.ino + 1
  }
}

/** Numbers of inodes that changed since the last published version. */
export function* changedSlices(meta: EnvironmentReader, limit: number): Generator<number[], undefined> {
  for (let from = 0; ;) {
    const inos = withView(meta, (view) => take(view.changes(0, from), limit)).map(({ ino }) => ino)
    if (inos.length > 0) yield inos
    const last = inos.at(-1)
    if (last === undefined || inos.length < limit) return
    from = last + 1
  }
}

/**
 * Whether the row still exists and refers to the same block.
 * @param isUnpublished whether it must also be absent from the published version
 */
export function isStillReferenced(row: FileRow, meta: EnvironmentReader, isUnpublished: boolean): boolean {
  const { ino, offset, digest, born } = row
  return withView(meta, (view) => {
    if (isUnpublished && born <= view.published) return false
    for (const now of view.chunksBetween(ino, offset, offset + 1)) return equalBytes(now.digest, digest)
    return false
  })
}

/** One path of an inode, as text; undefined if it has none. */
export function pathOf(ino: number, view: TreeView): string | undefined {
  const names: string[] = []
  for (let at = ino; at !== ROOT_INO;) {
    const record = view.inode(at)
    const [parent] = record?.parent === 0 ? view.parentsOfLinked(at) : [record?.parent]
    const name = parent === undefined ? undefined : nameIn(parent, at, view)
    if (parent === undefined || name === undefined || names.length > MOST_DEPTH) return undefined
    names.push(name)
    at = parent
  }
  return names.reverse().join('/')
}

/** Bounds the walk if damage makes a directory its own ancestor. */
const MOST_DEPTH = 4096

function nameIn(parent: number, ino: number, view: TreeView): string | undefined {
  for (const entry of view.entries(parent)) if (entry.ino === ino) return nameToText(entry.name)
  return undefined
}

function take<Item>(items: Iterable<Item>, limit: number): Item[] {
  const taken: Item[] = []
  for (const item of items) if (taken.push(item) >= limit) break
  return taken
}

/** Whether the inode's parent directory exists. */
export function hasParent(record: InodeRecord, view: TreeView): boolean {
  if (record.ino === ROOT_INO || record.nlink === 0 || record.parent === 0) return true
  const parent = view.inode(record.parent)
  return parent !== undefined && isDirectory(parent)
}
