import type { Digest } from '../base/index.js'
import type { BlockLocation } from '../storage/segments/index.js'
import type { SealedChunk, SealedItem, SealItem } from './contract.js'
import type { Rows } from './rows.js'

/** Converts the rows, which are in item order, to the contract's items. */
export function describeItems(
  items: readonly SealItem[],
  rows: Rows,
  count: number,
  blockOf: (row: number) => { digest: Digest; location: BlockLocation | undefined },
): SealedItem[] {
  const described = items.map(() => ({ consumed: 0, chunks: [] as SealedChunk[] }))
  for (let row = 0; row < count; row++) {
    const item = described[rows.item(row)]!
    const plainLength = rows.length(row)
    item.chunks.push({ ...blockOf(row), key: rows.key(row), dedupId: rows.dedupId(row), plainLength })
    item.consumed += plainLength
  }
  return described
}

/** The location of the `index`-th block that a thread wrote. */
export function itemLocation(places: Float64Array, index: number, length: number): BlockLocation {
  return { segment: places[2 * index]!, offset: places[2 * index + 1]!, length }
}
