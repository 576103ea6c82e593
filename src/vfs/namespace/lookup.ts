/** lookup: a name in a directory, which is loaded first when another device made it. */
import type { PlainName } from '../../base/index.js'
import { attributesOf } from '../inodes/inode.js'
import type { Attributes, Caller, Maybe } from '../tree.js'
import { directoryOf, withEntries, type LookupParts } from './require.js'

/** The child's attributes, or undefined when there is none. Throws NOT_A_DIRECTORY, STALE. */
export function lookup(
  parts: LookupParts,
  parent: number,
  name: PlainName,
  caller: Caller,
): Maybe<Attributes | undefined> {
  const directory = directoryOf(parts, parent)
  const find = (): Attributes | undefined => {
    const dentry = parts.directories.find(directory, name)
    if (dentry === undefined) return undefined
    const inode = parts.inodes.get(dentry.ino)
    inode.hint = name
    return attributesOf(inode)
  }
  return directory.unloaded ? withEntries(parts, [directory], caller, find) : find()
}
