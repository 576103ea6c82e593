/** Counts the calls of a node. */
import { isDriveError, type DriveErrorCode } from '../../../src/base/index.js'
import type { IpfsNode } from '../../../src/node/index.js'
import { around, type NodeMethod } from './around.js'

export interface NodeCounts {
  readonly calls: Readonly<Record<NodeMethod, number>>
  readonly failures: Readonly<Partial<Record<DriveErrorCode | 'OTHER', number>>>
  readonly underWay: number
  /** Number of blocks confirmed by the node. */
  readonly sentBlocks: number
  readonly sentBytes: number
  readonly fetchedBlocks: number
  readonly fetchedBytes: number
}

export function counted(node: IpfsNode): IpfsNode & { readonly counts: NodeCounts } {
  const calls: Record<NodeMethod, number> = {
    importBlocks: 0,
    getBlock: 0,
    missing: 0,
    pin: 0,
    updatePin: 0,
    unpin: 0,
    listPins: 0,
    putName: 0,
    getName: 0,
    collectGarbage: 0,
    check: 0,
    probe: 0,
  }
  const failures: Partial<Record<DriveErrorCode | 'OTHER', number>> = {}
  const counts = { calls, failures, underWay: 0, sentBlocks: 0, sentBytes: 0, fetchedBlocks: 0, fetchedBytes: 0 }
  const wrapped = around(node, async (method, call) => {
    calls[method]++
    counts.underWay++
    try {
      return await call()
    } catch (error) {
      const code = isDriveError(error) ? error.code : 'OTHER'
      failures[code] = (failures[code] ?? 0) + 1
      throw error
    } finally {
      counts.underWay--
    }
  })
  return {
    ...wrapped,
    counts,
    importBlocks: async (blocks, options) => {
      const result = await wrapped.importBlocks(blocks, options)
      counts.sentBlocks += result.blocks
      counts.sentBytes += result.bytes
      return result
    },
    getBlock: async (cid, options) => {
      const bytes = await wrapped.getBlock(cid, options)
      counts.fetchedBlocks++
      counts.fetchedBytes += bytes.byteLength
      return bytes
    },
  }
}
