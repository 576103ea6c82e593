/** Append-only segment files: writing, syncing, reading past the page cache. */
export type { BlockLocation, SegmentWriter, SharedPlaces } from './contract.js'
export { type FileCalls, SegmentFiles } from './segment-files.js'
export { SegmentInDoubt, SegmentSync } from './segment-sync.js'
export { GrowingSegments } from './growing-segments.js'
export { COUNTED_NAMES, FIRST_SHARED, RANDOM_NAMES } from './segment-names.js'
export { openSegmentWriter, type SegmentWriterOptions } from './segment-writer.js'
