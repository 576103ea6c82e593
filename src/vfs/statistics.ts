/** statvfs(3): the local disk space available to writes, and the file numbers left. */
import type { Disk } from '../platform/index.js'
import type { TreeState } from './inodes/tree-state.js'
import type { HeldMemory } from './staging/held-memory.js'
import { RESERVED_BYTES } from './staging/space.js'
import type { FilesystemStatistics } from './tree.js'

/** The parts that the statistics read. */
export interface StatisticsParts {
  readonly space: Disk
  readonly held: HeldMemory
  readonly state: TreeState
}

const BLOCK_BYTES = 4096
const MAX_FILES = 2 ** 32

export function statistics({ space, held, state }: StatisticsParts): FilesystemStatistics {
  const { totalBytes, availableBytes } = space.space()
  const freeBytes = availableBytes - RESERVED_BYTES - held.bytes - state.pendingBytes
  const free = Math.max(0, Math.floor(freeBytes / BLOCK_BYTES))
  return {
    blockSize: BLOCK_BYTES,
    totalBlocks: Math.floor(totalBytes / BLOCK_BYTES),
    freeBlocks: free,
    availableBlocks: free,
    totalFiles: MAX_FILES,
    freeFiles: Math.max(0, MAX_FILES - state.counters.nextIno),
    maxNameBytes: 255,
  }
}
