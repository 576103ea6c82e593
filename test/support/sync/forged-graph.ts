/** Directories in which every name of a level leads to one and the same directory: few blocks, many paths. */
import { nameFromText } from '../../../src/base/index.js'
import { buildMap, directoryRow, encodeEntry, type Block, type EntryRecord } from '../../../src/dag/index.js'
import { randomEntry } from '../dag/blocks.js'
import type { TestRandom } from './world.js'

export interface Graph {
  /** The row of its top directory. */
  readonly row: Uint8Array
  readonly blocks: readonly Block[]
}

/** @param names of each directory, ascending; the lowest one has a file `deepest` instead */
export function graphOf(levels: number, names: readonly string[], random: TestRandom): Graph {
  const blocks: Block[] = []
  const plain = (entry: EntryRecord): EntryRecord => ({ ...entry, xattrs: [], nlink: 1 })
  let below: EntryRecord = plain(randomEntry(random, { kind: 'inline', bytes: random.bytes(50) }))
  for (let level = 0; level < levels; level++) {
    const rows = (level === 0 ? ['deepest'] : names).map((name) => directoryRow(nameFromText(name), below))
    const map = buildMap(rows, { random })
    blocks.push(...map.blocks)
    // Of names for one and the same directory, one is shown.
    const nlink = level === 0 ? 2 : 3
    below = { ...plain(randomEntry(random, { kind: 'tree', ref: map.ref }, 0o040000)), size: 0, nlink }
  }
  return { row: encodeEntry(below), blocks }
}
