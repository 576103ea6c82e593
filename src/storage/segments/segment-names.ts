/** Names of segment files: a random number if several threads create them, a counter if one thread does. */
import { join } from 'node:path'

export interface SegmentNames {
  pathOf(directory: string, segment: number): string
  /** The number of a segment file, or undefined for any other name. */
  numberOf(name: string): number | undefined
}

/** The greatest counted number: a name with more digits is not a segment. */
export const MOST_NUMBER = 99_999_999

/** For a node's block store: segments with this number and greater ones are files of the block cache. */
export const FIRST_SHARED = 50_000_000

const RANDOM = /^([0-9a-f]{12})\.segment$/
const COUNTED = /^(\d{8})\.seg$/

/** For the block cache: 47 random bits. */
export const RANDOM_NAMES: SegmentNames = {
  pathOf: (directory, segment) => join(directory, `${segment.toString(16).padStart(12, '0')}.segment`),
  numberOf: (name) => numberIn(RANDOM.exec(name), 16),
}

/** For a node's block store: 1, 2, 3 and so on. */
export const COUNTED_NAMES: SegmentNames = {
  pathOf: (directory, segment) => join(directory, `${String(segment).padStart(8, '0')}.seg`),
  numberOf: (name) => numberIn(COUNTED.exec(name), 10),
}

function numberIn(match: RegExpExecArray | null, radix: number): number | undefined {
  return match === null ? undefined : parseInt(match[1]!, radix)
}
