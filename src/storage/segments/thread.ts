/** The part of this module that pipeline threads load: starting one costs half as much without the rest. */
export type { BlockLocation, SegmentWriter } from './contract.js'
export { openSegmentWriter, type SegmentWriterOptions } from './segment-writer.js'
