/** Frees the bytes of a segment that are in none of its blocks. */
import type { BlockLocation, SegmentFiles } from '../segments/index.js'

/** @param locations of all blocks that the index has, or had at its last commit, in the segment */
export function punchBetween(
  locations: readonly BlockLocation[],
  segment: number,
  end: number,
  files: Pick<SegmentFiles, 'punch'>,
): void {
  let at = 0
  for (const { offset, length } of [...locations].sort((a, b) => a.offset - b.offset)) {
    files.punch({ segment, offset: at, length: offset - at })
    at = offset + length
  }
  files.punch({ segment, offset: at, length: end - at })
}
