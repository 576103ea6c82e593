/** Serving a `Tree` to the kernel, and finding and ending mounts. */
export * from './contract.js'
export { mountTree, type MountTreeRequest } from './mount-tree.js'
export { findMount, mounts, FILESYSTEM_TYPE, type MountEntry } from './mount-info.js'
export { clearStale, forceUnmount, isStale, probeMount } from './stale.js'
export { detach } from './detach.js'
export { fuseAddonProblem } from './native.js'
export { errnoOf, errnoName, ERRNO_OF } from './errno.js'
export { MemoryTree } from './memory/memory-tree.js'
