import type { Digest } from '../base/index.js'
import type { BlockLocation } from '../storage/segments/index.js'
import type { SealedItem, SealJob } from './contract.js'
import { sealedSize } from './padding.js'
import type { PoolAnswer, SealTask } from './pool-messages.js'
import { Rows } from './rows.js'
import { describeItems, itemLocation } from './sealed-items.js'

type Submit = (task: SealTask) => Promise<Exclude<PoolAnswer, { error: unknown }>>

/**
 * Seals only the chunks that the store does not have. One hop to a thread cuts and derives dedup ids; a second hop
 * seals the missing chunks. (The second hop costs about 4 % for new data, and saves the cipher, the digest and the
 * write, two thirds of all work, for known data.) The store may discard a known block during the second hop. So all
 * known blocks are looked up again at the end, and the lost ones are sealed.
 */
export async function sealUnknown(
  job: SealJob,
  findDuplicate: (dedupId: Uint8Array) => Digest | undefined,
  submit: Submit,
): Promise<SealedItem[]> {
  const { rows: bytes, count } = await submit({ kind: 'keys', data: job.data, items: job.items })
  const rows = new Rows(bytes)
  const digests = new Map<number, Digest>()
  const locations = new Map<number, BlockLocation>()

  let open = Array.from({ length: count }, (_, row) => row)
  while (open.length > 0) {
    const unknown: number[] = []
    for (let row = 0; row < count; row++) rows.setSealedLength(row, 0)
    for (const row of open) {
      const digest = findDuplicate(rows.dedupId(row))
      if (digest !== undefined) digests.set(row, digest)
      else {
        unknown.push(row)
        rows.setSealedLength(row, sealedSize(rows.length(row)))
      }
    }
    if (unknown.length === 0) break
    const answer = await submit({ kind: 'rows', data: job.data, rows: bytes, count })
    const sealed = new Rows(answer.rows)
    unknown.forEach((row, index) => {
      digests.set(row, sealed.digest(row))
      locations.set(row, itemLocation(answer.places, index, sealed.sealedLength(row)))
    })
    open = [...digests.keys()].filter((row) => !locations.has(row))
  }
  return describeItems(job.items, rows, count, (row) => ({ digest: digests.get(row)!, location: locations.get(row) }))
}
