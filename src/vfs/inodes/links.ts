/**
 * Names of inodes with several names: one row per name in `links`, and the inode by its fileId in `ids`, because a
 * directory that is not loaded yet may name the same file.
 */
import { DriveError, type PlainName } from '../../base/index.js'
import { be64, readBe64 } from '../../storage/kv/index.js'
import { linkKey, rowsOf, secondOf } from '../../tree-state/index.js'
import type { Inode } from './inode.js'
import type { TreeState } from '../inodes/tree-state.js'
import type { InodeTable } from '../inodes/inode-table.js'
import type { Directories } from '../namespace/directories.js'
import { foundName, loseLastName } from '../namespace/nameless.js'

/** The parts that hard links use. */
export interface LinkParts {
  readonly state: TreeState
  readonly inodes: InodeTable
  readonly directories: Directories
}

const PRESENT = Buffer.of(1)
const MAX_LINKS = 65_000

/** Adds a name to `inode`. */
export function addLink(parts: LinkParts, inode: Inode, parent: number, name: PlainName): void {
  if (inode.nlink >= MAX_LINKS) throw new DriveError('TOO_MANY_LINKS', 'The file has too many hard links.')
  const { links, ids } = parts.state.tables
  if (inode.nlink === 1) {
    const first = nameIn(parts, inode)
    if (first !== undefined) links.put(linkKey(inode.ino, inode.parent, parts.directories.hashOf(first)), PRESENT)
    if (!isOnlyWithId(parts, inode)) parts.inodes.renewId(inode)
    ids.put(inode.fileId, be64(inode.ino))
  }
  links.put(linkKey(inode.ino, parent, parts.directories.hashOf(name)), PRESENT)
  if (inode.nlink === 0) inode.parent = parent
  inode.nlink++
  foundName(parts.state, inode.ino)
}

/**
 * Whether no other file can have the id. Another device may have published two files with one id, and the other one may
 * be in a directory that is not loaded yet: a row of the link table holds one file.
 */
function isOnlyWithId({ state, inodes }: LinkParts, { ino, fileId }: Inode): boolean {
  const known = state.tables.ids.get(fileId)
  return known === undefined ? inodes.isOwnId(fileId) : readBe64(known) === ino
}

/** Removes a name of `inode`. With the last name the inode leaves the tree. */
export function dropLink(parts: LinkParts, inode: Inode, parent: number, name: PlainName): void {
  const { links } = parts.state.tables
  if (inode.nlink > 1) {
    links.delete(linkKey(inode.ino, parent, parts.directories.hashOf(name)))
    inode.nlink--
    // The published count may have been too low. The last known name decides, not the count.
    if (inode.nlink === 1) inode.nlink = Math.max(1, countLinks(parts, inode.ino))
    const next = firstLink(parts, inode.ino)
    inode.parent = next?.parent ?? 0
    // It may also have been too high, so that it never falls to 0.
    if (next === undefined) loseLastName(parts, inode)
    else if (inode.nlink === 1) links.delete(next.key)
    return
  }
  inode.nlink = 0
  parts.inodes.unlinked(inode)
}

/** Moves a name of `inode`. */
export function moveLink(
  parts: LinkParts,
  inode: Inode,
  from: { parent: number; name: PlainName },
  to: { parent: number; name: PlainName },
): void {
  if (inode.isDirectory || inode.nlink === 1) {
    inode.parent = to.parent
    return
  }
  const { links } = parts.state.tables
  const { directories } = parts
  links.delete(linkKey(inode.ino, from.parent, directories.hashOf(from.name)))
  links.put(linkKey(inode.ino, to.parent, directories.hashOf(to.name)), PRESENT)
  if (inode.parent === from.parent) inode.parent = to.parent
}

/** The name of an inode with exactly one name. */
function nameIn(parts: LinkParts, inode: Inode): PlainName | undefined {
  const parent = parts.inodes.find(inode.parent)
  if (parent === undefined) return undefined
  const { hint } = inode
  if (hint !== undefined && parts.directories.find(parent, hint)?.ino === inode.ino) return hint
  return parts.directories.nameOf(parent, inode.ino)
}

function firstLink(parts: LinkParts, ino: number): { parent: number; key: Uint8Array } | undefined {
  for (const [key] of parts.state.tables.links.range({ ...rowsOf(ino), limit: 1 }))
    return { parent: secondOf(key), key }
  return undefined
}

function countLinks(parts: LinkParts, ino: number): number {
  let count = 0
  for (const _ of parts.state.tables.links.keys(rowsOf(ino))) count++
  return count
}
