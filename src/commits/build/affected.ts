/** Which directories a set of changes makes new versions of: those that changed, and all above them. */
import { ROOT_INO, isDirectory, isHardLinked } from '../entry-of.js'
import type { InodeRecord, TreeView } from '../../tree-state/index.js'

export interface Affected {
  /** Changed inodes that are in the tree or still open. */
  readonly dirty: ReadonlySet<number>
  /** Children before their parents; the root is last whenever anything changed. */
  readonly directories: readonly number[]
}

/** @param changed more inodes whose entries change although they are not dirty */
export function affectedBy(view: TreeView, changed: Iterable<InodeRecord>): Affected {
  const dirty = new Set<number>()
  const parentOf = new Map<number, number>()
  const climb = (directory: number): void => {
    for (let at = directory; at !== 0 && !parentOf.has(at);) {
      const record = view.inode(at)
      if (record === undefined || !isDirectory(record)) return
      parentOf.set(at, at === ROOT_INO ? 0 : record.parent)
      at = at === ROOT_INO ? 0 : record.parent
    }
  }
  for (const { ino } of view.changes()) {
    const record = view.inode(ino)
    if (record === undefined) continue
    dirty.add(ino)
    if (isDirectory(record)) climb(ino)
    else climb(record.parent)
    if (isHardLinked(record)) for (const parent of view.parentsOfLinked(ino)) climb(parent)
  }
  for (const record of changed) climb(record.parent)
  climb(ROOT_INO)
  return { dirty, directories: bottomUp(parentOf) }
}

/** Directories that hang together with the root, deepest first. A removed but still open directory does not. */
function bottomUp(parentOf: ReadonlyMap<number, number>): number[] {
  const depths = new Map<number, number>([[ROOT_INO, 0]])
  for (const ino of parentOf.keys()) {
    const path: number[] = []
    let at: number | undefined = ino
    while (at !== undefined && !depths.has(at)) {
      path.push(at)
      at = parentOf.get(at)
    }
    let depth = at === undefined ? Number.NaN : depths.get(at)!
    for (const each of path.reverse()) depths.set(each, ++depth)
  }
  return [...parentOf.keys()]
    .filter((ino) => !Number.isNaN(depths.get(ino)))
    .sort((a, b) => depths.get(b)! - depths.get(a)! || a - b)
}
