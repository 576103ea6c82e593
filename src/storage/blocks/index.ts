/** The block cache: its index, the states of blocks, eviction. */
export { type BlockStoreOptions, openBlockStore } from './block-store.js'
export type { BlockStore, IndexedBlock } from './contract.js'
export { openPlacedBlocks, type PlacedBlocks } from './placed-blocks.js'
