/** Chunking, sealing, opening: the synchronous core and the pool of threads over it. */
export {
  CHUNK,
  type ChunkMode,
  type ContentKeys,
  type Core,
  type PageTags,
  type PartOpener,
  type Pipeline,
  type PipelineOptions,
  type SealedChunk,
  type SealedItem,
  type SealItem,
  type SealJob,
} from './contract.js'
export { createCore } from './core.js'
export { resealLeaf } from './reseal-leaf.js'
export { openPipeline } from './open-pipeline.js'
export { SEALED_PAGE_BYTES } from './padding.js'
