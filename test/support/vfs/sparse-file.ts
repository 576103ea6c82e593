/** A sparse file of a pebibyte with chunk rows far apart, for tests of work that goes by rows. */
import { chunkKey, encodeChunk, PAGE_BYTES } from '../../../src/tree-state/index.js'
import { caller, createFile, type Scratch } from './drive.js'

export const GIB = 1024 ** 3
export const PIB = 1024 ** 5

/**
 * Makes the file `sparse` in a drive that is not open. Each chunk has the length of a page, and no block.
 * @param offsets of the chunks
 * @returns its inode number
 */
export async function makeSparseFile(scratch: Scratch, offsets: Iterable<number>): Promise<number> {
  const made = await scratch.open()
  const { ino } = await createFile(made.tree, 'sparse')
  await made.tree.setAttributes(ino, { size: PIB }, undefined, caller)
  await made.shut()
  const filled = await scratch.open()
  const chunks = filled.meta.table('chunks', { sealed: true })
  let count = 0
  for (const offset of offsets) {
    const digest = Buffer.alloc(32)
    digest.writeUInt32BE(++count)
    const row = { offset, length: PAGE_BYTES, skip: 0, digest, key: digest, born: 1 }
    chunks.put(chunkKey(ino, offset), encodeChunk(row))
  }
  await filled.shut()
  return ino
}
