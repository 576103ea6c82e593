/** The drive's blocks: private nodes, sorted maps, the pin tree, commits, CAR streams, name records. Pure. */
export { type CarInput, carStream } from './car-write.js'
export { type Cid, cidOf, type Codec, nameOfKey, parseCid } from './cid.js'
export type { Block, Commit, EntryRecord, FetchBlock, FileChunk, TreeRef } from './contract.js'
export { driveSequence, LAST_SLOT, splitDriveSequence } from './drive-sequence.js'
export {
  buildMap,
  MapBuilder,
  type BuildOptions,
  type BuiltMap,
  type FinishedMap,
  type MapNode,
  type ReuseLookup,
} from './map/map-build.js'
export { eachMapNode, loadPlainNode, readMap, readMapNodes, type ReadOptions } from './map/map-read.js'
export {
  decodeNameRecord,
  makeNameRecord,
  type MakeOptions,
  type NameRecord,
  openNameRecord,
  signedContent,
} from './name-record.js'
export { type PinTreeNode, type PinTreeState, type UpdatedPinTree, updatePinTree } from './pin-tree/pin-tree-build.js'
export { type PinTreeLeaf, readPinTree } from './pin-tree/pin-tree-read.js'
export { MAX_PIN_TREE_DEPTH } from './pin-tree/pin-tree-shape.js'
export type { PrefixRange } from './pin-tree/pin-tree-shape.js'
export { decodeLinks } from './pin-tree/links-block.js'
export { digestsWithin } from './pin-tree/sorted-digests.js'
export { type SealedNode } from './private-node.js'
export { type CommitKeys, openCommit, sealCommit } from './records/commit.js'
export { decodeEntry, encodeEntry, MAX_EMBEDDED_CHUNKS, MAX_INLINE_BYTES } from './records/entry-record.js'
export {
  chunkRow,
  diffDirectoryTables,
  diffLinks,
  type DirectoryChild,
  directoryRow,
  directoryRows,
  duplicateRow,
  findInDirectory,
  findLink,
  linkRow,
  type MapRow,
  readChunkList,
  readDirectoryTable,
  readDuplicates,
  sortRows,
} from './records/tables.js'
export { decodeTableNode, type TableKind, type TableNode } from './records/table-node.js'
export { decodeVersionRoot, type VersionRoot, versionRootBlock } from './records/version-root.js'
