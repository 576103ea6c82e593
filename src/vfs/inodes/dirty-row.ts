/** Rows of `dirty`: since which commit sequence an inode has changes that no published commit holds. */
import { be48, readBe48 } from '../../storage/kv/index.js'
import type { Inode } from './inode.js'

const ROW_BYTES = 13
/** What six bytes can say; reached by copying the same blocks over and over. */
const MOST_BYTES = 2 ** 48 - 1

/**
 * BE48(sequence), and after it what only the counts need: bytes staged since the last published commit, and 1 for a
 * file.
 */
export function encodeDirty(sequence: number, inode: Inode): Buffer {
  const unpublished = be48(Math.min(inode.unpublishedBytes, MOST_BYTES))
  return Buffer.concat([be48(sequence), unpublished, Buffer.of(inode.isFile ? 1 : 0)])
}

/** What a `dirty` row says. */
export interface DirtyRow {
  readonly sequence: number
  /** Staged since the last published commit. */
  readonly unpublishedBytes: number
  readonly isFile: boolean
}

export function decodeDirty(row: Uint8Array): DirtyRow {
  const isComplete = row.length >= ROW_BYTES
  return {
    sequence: readBe48(row),
    unpublishedBytes: isComplete ? readBe48(row, 6) : 0,
    isFile: isComplete && row[12] === 1,
  }
}
