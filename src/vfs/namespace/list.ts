/** Listings: entries in cookie order, from any cookie on, whatever changed in between. */
import type { DentryRecord } from '../../tree-state/index.js'
import type { DirectoryHandle } from '../inodes/handles.js'
import { attributesOf } from '../inodes/inode.js'
import type { Attributes, Caller, DirectoryEntry, Maybe } from '../tree.js'
import type { Volume } from '../volume.js'
import { withEntries } from './require.js'

/** A listing shows the entries of the moment it was begun (cookie 0), without those that have gone since. */
export function readDirectory(
  volume: Volume,
  handle: DirectoryHandle,
  cookie: number,
  withAttributes: boolean,
  visit: (entry: DirectoryEntry) => boolean,
  caller: Caller,
): Maybe<void> {
  const { inode } = handle
  return withEntries(volume, [inode], caller, () => {
    if (inode.nlink === 0) return
    if (cookie === 0 || handle.listing === undefined) handle.listing = volume.directories.list(inode)
    const { listing } = handle
    for (let i = firstAfter(listing, cookie); i < listing.length; i++) {
      const dentry = listing[i]!
      if (!volume.directories.mayStillHave(inode, dentry)) continue
      let attributes: Attributes | undefined
      if (withAttributes) {
        const child = volume.inodes.find(dentry.ino)
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
