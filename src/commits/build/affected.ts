/**
 * Finds the directories that need a new version: the changed ones and all their ancestors. They are stored in two
 * tables, not in memory, because a first version includes every directory.
 */
import { be64, readBe64, rowsIn } from '../../storage/kv/index.js'
import type { InodeRecord, TreeView } from '../../tree-state/index.js'
import { ROOT_INO, isDirectory } from '../../model/index.js'
import { isHardLinked } from '../entry-of.js'
import type { QueueTables } from '../tables/queue-tables.js'
import type { Pace } from './pace.js'

/**
 * The depth of a removed directory that is still open, and of all directories below it: they are detached from the
 * root.
 */
const NOWHERE = 0xffffffff
const NOTHING = new Uint8Array(0)

export interface AffectedContext {
  readonly view: TreeView
  readonly tables: Pick<QueueTables, 'depths' | 'order'>
  readonly pace: Pace
  /** Every loaded directory is affected. */
  readonly isAnew: boolean
}

/**
 * Fills `depths` and `order`.
 * @param changed additional inodes whose entries change although they are not dirty
 * @returns the number of changed inodes, for progress
 */
export async function findAffected(
  changed: Iterable<Pick<InodeRecord, 'parent'>>,
  context: AffectedContext,
): Promise<number> {
  const { view, pace } = context
  let count = 0
  for (const record of context.isAnew ? view.inodes() : changedInodes(view)) {
    await pace.step()
    count++
    climb(isDirectory(record) ? record.ino : record.parent, context)
    if (isHardLinked(record)) for (const parent of view.parentsOfLinked(record.ino)) climb(parent, context)
  }
  for (const record of changed) climb(record.parent, context)
  climb(ROOT_INO, context)
  return count
}

/** Children before their parents; the root is last. */
export function* affectedDirectories({ tables }: Pick<AffectedContext, 'tables'>): Generator<number, undefined> {
  for (const [key] of rowsIn(tables.order)) yield readBe64(key, 4)
}

function* changedInodes(view: TreeView): Generator<InodeRecord, undefined> {
  for (const { ino } of view.changes()) {
    const record = view.inode(ino)
    if (record !== undefined) yield record
  }
}

/** Adds a directory and its ancestors to the tables, up to the first ancestor that is already there. */
function climb(directory: number, { view, tables }: AffectedContext): void {
  const path: number[] = []
  let depth = NOWHERE
  for (let at = directory; ;) {
    const known = tables.depths.get(be64(at))
    if (known !== undefined) depth = readDepth(known)
    const record = at === 0 || known !== undefined ? undefined : view.inode(at)
    if (record === undefined || !isDirectory(record)) break
    path.push(at)
    if (at === ROOT_INO) {
      depth = -1
      break
    }
    at = record.parent
  }
  for (const ino of path.reverse()) {
    if (depth !== NOWHERE) depth++
    tables.depths.put(be64(ino), be32(depth))
    if (depth !== NOWHERE) tables.order.put(Buffer.concat([be32(NOWHERE - depth), be64(ino)]), NOTHING)
  }
}

function be32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function readDepth(bytes: Uint8Array): number {
  return Buffer.from(bytes.buffer, bytes.byteOffset, 4).readUInt32BE()
}
