/**
 * The schema of the tree in the environment `meta`: tables, keys, codecs; and the interfaces between the drive thread
 * and sync.
 */
export { type AtRisk, makeRiskMemory, readRisk, RiskGauge } from './at-risk.js'
export {
  type ChunkRecord,
  type DentryRecord,
  type InodeRecord,
  type NodeRef,
  PAGE_BYTES,
  tableOptions,
  TABLES,
  TYPE,
} from './contract.js'
export type {
  BlockPlace,
  DriveCounts,
  DrivePort,
  FrozenCounts,
  LevelCounts,
  MergedFile,
  PublishedCommit,
  RemoteSource,
  ReplacedBlock,
  SharedBlocks,
} from './drive-port.js'
export { decodeInode, encodeInode } from './inode-record.js'
export {
  chunkKey,
  dentryKey,
  dirtyKey,
  inodeKey,
  linkKey,
  pageKey,
  removedKey,
  rowsBetween,
  rowsOf,
  secondOf,
} from './keys.js'
export type { DirectoryPage, RemoteChild } from './remote.js'
export {
  decodeChunk,
  decodeDentry,
  decodeRemoved,
  encodeChunk,
  encodeDentry,
  encodeRemoved,
  type RemovedRecord,
} from './row-records.js'
export { type StagedPage, type TreeChange, TreeView } from './tree-view.js'
