/** The part of this module that pipeline threads load: without the rest, a thread starts at half the cost. */
export type { BlockLocation, SegmentWriter } from './contract.js'
export { openSegmentWriter, type SegmentWriterOptions } from './segment-writer.js'
