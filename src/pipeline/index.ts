/** Chunking, sealing, opening: the synchronous core and the pool of threads over it. */
export * from './contract.js'
export { createCore } from './core.js'
export { isSealedSize, SEALED_PAGE_BYTES, sealedSize } from './padding.js'
export { openPipeline } from './open-pipeline.js'
