/** Rewrites the sorted file of a block index, page by page. */
import { rm } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import { encodeRecords } from './block-record.js'
import type { RecentBlock } from './recent-records.js'
import { createAside } from './replace-file.js'

/**
 * @param pages all rows, sorted by digest; some pages may be empty
 * @returns the number of records. After a failure the file is removed, so that it takes no scarce disk space.
 */
export async function writeSorted(path: string, pages: Iterable<readonly RecentBlock[]>): Promise<number> {
  const file = await createAside(path)
  let count = 0
  try {
    for (const page of pages) {
      const bytes = encodeRecords(page.map(([digest, location]) => ({ digest, location })))
      if (bytes.length > 0) await file.appendFile(bytes)
      else await setImmediate()
      count += page.length
    }
    await file.sync()
  } catch (error) {
    await rm(path, { force: true })
    throw error
  } finally {
    await file.close()
  }
  return count
}
