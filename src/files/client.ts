/**
 * The part of this module that callers on other threads and in other processes load: types and streams, but not the
 * tree.
 */
export type {
  Condition,
  Events,
  FileEvent,
  FileIdText,
  FileInfo,
  Files,
  FileType,
  OpenFile,
  ListPage,
  FilePlace,
} from './contract.js'
export { FILES_METHODS } from './contract.js'
export { readStream, writeStream } from './streams.js'
