/**
 * Loads the blocks of a read that has many rows. Another device may have cut a file into rows of one byte, each in a
 * block of 1 MiB: a few blocks are opened at a time, and only the bytes of the rows stay.
 */
import type { ChunkRecord } from '../../tree-state/index.js'
import type { Caller } from '../tree.js'
import type { ChunkReader } from './chunk-reader.js'
import { blockName, OpenedBlocks } from './opened-blocks.js'
import { bytesOfRow } from './rows.js'

/** A read of 1 MiB of a file that this program cut has fewer rows, unless it was written in small pieces. */
const MOST_WHOLE = 16
/** Blocks opened at a time when there are more rows. */
const AT_ONCE = 8

/** For whom rows are loaded. */
export interface RowsReader {
  readonly opened?: OpenedBlocks | undefined
  readonly caller?: Caller | undefined
  /** See `ChunkReader.load`. */
  readonly inParts?: boolean
}

/** Like `ChunkReader.load`. If there are many rows, `opened` gets copies of their bytes instead of their blocks. */
export async function loadRows(
  reader: Pick<ChunkReader, 'load' | 'manyRows'>,
  rows: readonly ChunkRecord[],
  { opened, caller, inParts = false }: RowsReader,
): Promise<void> {
  if (rows.length <= MOST_WHOLE) return reader.load(rows, opened, caller, inParts)
  const wanted = rows.filter((row) => opened?.copyOf(row) === undefined)
  const options = caller === undefined ? {} : { signal: caller.signal }
  for (let at = 0; at < wanted.length; at += AT_ONCE) {
    const some = wanted.slice(at, at + AT_ONCE)
    await reader.manyRows.run(async () => {
      const group = new OpenedBlocks()
      try {
        await reader.load(some, group, caller, inParts)
        for (const row of some) {
          const plain = group.get(blockName(row))
          if (plain !== undefined) opened?.keepCopy(row, bytesOfRow(plain, row))
        }
      } finally {
        group.release()
      }
    }, options)
  }
}
