/**
 * One page of a directory. The cursor is the tree's cookie of the last entry. It stays valid when the directory
 * changes.
 */
import { DriveError } from '../base/index.js'
import type { Caller, Tree } from '../vfs/index.js'
import type { FileInfo, ListPage } from './contract.js'
import type { Locator } from './locate.js'

const MOST_ENTRIES = 1000

export interface ListingRequest {
  readonly cursor?: string
  /** Maximum number of entries, 1 … 1000. */
  readonly limit: number
}

export async function listPage(
  tree: Tree,
  locator: Locator,
  ino: number,
  request: ListingRequest,
  caller: Caller,
): Promise<ListPage> {
  const limit = Math.min(Math.max(1, Math.trunc(request.limit) || MOST_ENTRIES), MOST_ENTRIES)
  const from = cookieOf(request.cursor)
  const entries: FileInfo[] = []
  let last = from
  let isMore = false
  const { handle } = await tree.openDirectory(ino, caller)
  try {
    await tree.readDirectory(
      ino,
      handle,
      {
        cookie: from,
        withAttributes: true,
        visit: (entry) => {
          if (entries.length === limit) {
            isMore = true
            return false
          }
          if (entry.attributes !== undefined)
            entries.push(locator.infoOf(entry.attributes, { parent: ino, name: entry.name }))
          last = entry.cookie
          return true
        },
      },
      caller,
    )
  } finally {
    tree.releaseDirectory(ino, handle)
  }
  return isMore ? { entries, cursor: last.toString(36) } : { entries }
}

function cookieOf(cursor: string | undefined): number {
  if (cursor === undefined || cursor === '') return 0
  const cookie = /^[0-9a-z]{1,11}$/u.test(cursor) ? parseInt(cursor, 36) : NaN
  if (!Number.isSafeInteger(cookie)) throw new DriveError('INVALID', 'The cursor is not from a directory listing.')
  return cookie
}
