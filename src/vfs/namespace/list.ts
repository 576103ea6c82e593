/**
 * Listings: entries in cookie order, or in hash order for very large directories. A listing may start at any cookie,
 * whatever changed in between.
 */
import type { DentryRecord } from '../../tree-state/index.js'
import type { DirectoryHandle } from '../inodes/handles.js'
import { attributesOf, type Inode } from '../inodes/inode.js'
import type { Attributes, Caller, DirectoryListing, Maybe } from '../tree.js'
import { type LookupParts, withEntries } from './require.js'

/**
 * A listing shows the entries as of its start (cookie 0), without those removed since. For a very large directory, each
 * page shows the entries at the time of its read.
 */
export function readDirectory(
  parts: LookupParts,
  handle: DirectoryHandle,
  { cookie, withAttributes, visit }: DirectoryListing,
  caller: Caller,
): Maybe<void> {
  const { inode } = handle
  return withEntries(parts, [inode], caller, () => {
    if (inode.nlink === 0) return
    for (const dentry of entriesAfter(parts, handle, cookie)) {
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

function entriesAfter(parts: LookupParts, handle: DirectoryHandle, cookie: number): Iterable<DentryRecord> {
  const { inode } = handle
  const { directories } = parts
  if (directories.isByHash(cookie)) return directories.listByHash(inode, cookie)
  if (cookie === 0) {
    handle.listing = directories.list(inode)
    if (handle.listing === undefined) return directories.listByHash(inode, cookie)
  }
  return listedAfter(parts, inode, (handle.listing ??= directories.listAll(inode)), cookie)
}

function* listedAfter(
  { directories }: LookupParts,
  inode: Inode,
  listing: readonly DentryRecord[],
  cookie: number,
): Generator<DentryRecord, undefined> {
  for (let i = firstAfter(listing, cookie); i < listing.length; i++)
    if (directories.mayStillHave(inode, listing[i]!)) yield listing[i]!
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
