/** Listings: entries in cookie order, from any cookie on, whatever changed in between. */
import type { DentryRecord } from '../../tree-state/index.js'
import type { DirectoryHandle } from '../inodes/handles.js'
import { attributesOf } from '../inodes/inode.js'
import type { Attributes, Caller, DirectoryEntry, Maybe } from '../tree.js'
import { type LookupParts, withEntries } from './require.js'

/** From which entry on, and what is done with each; see Tree.readDirectory. */
interface Listing {
  readonly cookie: number
  readonly withAttributes: boolean
  readonly visit: (entry: DirectoryEntry) => boolean
}

/** A listing shows the entries of the moment it was begun (cookie 0), without those that have gone since. */
export function readDirectory(
  parts: LookupParts,
  handle: DirectoryHandle,
  { cookie, withAttributes, visit }: Listing,
  caller: Caller,
): Maybe<void> {
  const { inode } = handle
  return withEntries(parts, [inode], caller, () => {
    if (inode.nlink === 0) return
    if (cookie === 0 || handle.listing === undefined) handle.listing = parts.directories.list(inode)
    const { listing } = handle
    for (let i = firstAfter(listing, cookie); i < listing.length; i++) {
      const dentry = listing[i]!
      if (!parts.directories.mayStillHave(inode, dentry)) continue
      let attributes: Attributes | undefined
      if (withAttributes) {
        const child = parts.inodes.find(dentry.ino)
        if (child === undefined || child.nlink === 0) continue
        child.hint = dentry.name
        attributes = attributesOf(child)
      }
      const { name, ino, type } = dentry
      if (!visit({ name, ino, type, cookie: dentry.cookie, attributes })) return
    }
  })
}

function firstAfter(listing: readonly DentryRecord[], cookie: number): number {
  let low = 0
  let high = listing.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (listing[middle]!.cookie <= cookie) low = middle + 1
    else high = middle
  }
  return low
}
