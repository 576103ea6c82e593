/**
 * Versions of a tree: builds a version from a view of the tree and the previous version, compares versions, and traces
 * their ancestry.
 */
export { type Adopter, giveBackAdopted } from './build/adopt.js'
export { type BuildContext, DROPPED, MADE } from './build/build-context.js'
export { Pace } from './build/pace.js'
export { buildDuplicates, buildPinTree, listOutgoing, storeBlock } from './build/build-live.js'
export { countPublishedOut } from './build/count-anew.js'
export { countNode, countUncounted, isUnreadablePart, putCount, type VersionCounter } from './build/count-version.js'
export { countRemoved } from './build/build-removed.js'
export { buildTree } from './build/build-tree.js'
export type { ChunkSealer } from './build/merge-pages.js'
export { inodeOf } from './entry-of.js'
export { basesAfter, parentHeights, parentsAfter } from './graph/ancestors.js'
export { relationOf, type HistoryReader, type Relation } from './graph/ancestry.js'
export type { Version } from './graph/version.js'
export { LiveDelta } from './tables/live-delta.js'
export * from './tables/damaged-blocks.js'
export { nodesOf } from './tables/map-nodes.js'
export * from './tables/queue-tables.js'
export { pathIn, reachedPath, ReachedTrees } from './tables/reached-trees.js'
export { isOnlyName } from './tables/directory-names.js'
export {
  forgetUnreadable,
  hideUnreadableNames,
  isAnyUnreadable,
  noteUnreadable,
  unreadableNames,
} from './tables/unreadable-entries.js'
