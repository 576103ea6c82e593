/** Rows of `dirty`: the commit sequence since which an inode has unpublished changes. */
import { be48, readBe48 } from '../../storage/kv/index.js'
import type { Inode } from './inode.js'

const ROW_BYTES = 13
/** The greatest value of six bytes; reached by copying the same blocks over and over. */
const MOST_BYTES = 2 ** 48 - 1

/**
 * BE48(sequence), then two values only for the counters: bytes staged since the last published commit, and 1 for a
 * file.
 */
export function encodeDirty(sequence: number, inode: Inode): Buffer {
  const unpublished = be48(Math.min(inode.unpublishedBytes, MOST_BYTES))
  return Buffer.concat([be48(sequence), unpublished, Buffer.of(inode.isFile ? 1 : 0)])
}

/** The content of a `dirty` row. */
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
