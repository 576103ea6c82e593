export * from './contract.js'
export { NODE_CAPACITY, openNode, sealNode, type SealedNode } from './private-node.js'
export { buildMap, type BuildOptions, type BuiltMap, type MapNode, type ReuseLookup } from './map-build.js'
export { getFromMap, readMap, readMapLeaves, readMapNodes, type ReadOptions } from './map-read.js'
export { decodeEntry, encodeEntry, MAX_EMBEDDED_CHUNKS, MAX_INLINE_BYTES } from './entry-record.js'
export * from './tables.js'
export { openCommit, sealCommit, type CommitKeys } from './commit.js'
export { cidBytes, cidFromBytes, cidOf, keyOfName, nameOfKey, parseCid, type Cid, type Codec } from './cid.js'
export { updateForest, type ForestNode, type ForestState, type UpdatedForest } from './forest-build.js'
export { digestsWithin } from './sorted-digests.js'
export { readForest, type ForestLeaf } from './forest-read.js'
export { type PrefixRange } from './forest-shape.js'
export { decodeVersionRoot, versionRootBlock, type VersionRoot } from './version-root.js'
export { carStream, type CarInput } from './car-write.js'
export { readCar, type Car } from './car-read.js'
export {
  compareNameRecords,
  makeNameRecord,
  MAX_RECORD_BYTES,
  openNameRecord,
  type MakeOptions,
  type NameRecord,
} from './name-record.js'
export { driveSequence, splitDriveSequence } from './drive-sequence.js'
