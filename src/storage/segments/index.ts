/** Append-only segment files: writing, syncing, reading past the page cache. */
export type { BlockLocation, SegmentWriter } from './contract.js'
export { type FileCalls, SegmentFiles } from './segment-files.js'
export { SegmentSync } from './segment-sync.js'
export { openSegmentWriter, segmentOfName, segmentPath, type SegmentWriterOptions } from './segment-writer.js'
