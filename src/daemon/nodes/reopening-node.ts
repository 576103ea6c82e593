/**
 * A node that may be missing when the drive opens: its disk is not plugged in, or another process still holds its
 * store. Each call tries to open it; until that succeeds, calls fail with OFFLINE.
 */
import { DriveError, isDriveError, sleep, unlessAborted } from '../../base/index.js'
import { capabilitiesOf, type CallOptions, type IpfsNode } from '../../node/index.js'

/** A daemon that was just killed may still be exiting. */
const LOCKED_TRIES = 20
const LOCKED_WAIT_MS = 100

/** @param address of the node; its capabilities follow from it before the node is open */
export function reopeningNode(address: string, open: () => Promise<IpfsNode>): IpfsNode {
  let opening: Promise<IpfsNode> | undefined
  let closed = false

  const patiently = async (): Promise<IpfsNode> => {
    for (let tries = 1; ; tries++) {
      try {
        return await open()
      } catch (error) {
        if (isDriveError(error, 'LOCKED') && tries < LOCKED_TRIES) await sleep(LOCKED_WAIT_MS)
        else throw error
      }
    }
  }
  /** If a disk does not answer, the open keeps waiting, but a caller with a signal can stop. */
  const current = async (options?: CallOptions): Promise<IpfsNode> => {
    if (closed) throw new DriveError('ABORTED', 'The node is closed.')
    opening ??= patiently().catch((error: unknown) => {
      opening = undefined
      // A refused key needs its owner; all other errors may pass with time.
      if (isDriveError(error, 'NODE_DENIED')) throw error
      const message = error instanceof Error ? error.message : 'The node cannot be opened.'
      throw new DriveError('OFFLINE', message, { cause: error })
    })
    const signal = options?.signal
    return signal === undefined ? opening : unlessAborted(opening, signal)
  }

  return {
    capabilities: capabilitiesOf(address),
    importBlocks: async (blocks, options) => (await current(options)).importBlocks(blocks, options),
    getBlock: async (cid, options) => (await current(options)).getBlock(cid, options),
    missing: async (cids, options) => (await current(options)).missing(cids, options),
    pin: async (cid, options) => (await current(options)).pin(cid, options),
    updatePin: async (from, to, options) => (await current(options)).updatePin(from, to, options),
    unpin: async (cid, options) => (await current(options)).unpin(cid, options),
    listPins: async (options) => (await current(options)).listPins(options),
    putName: async (name, record, options) => (await current(options)).putName(name, record, options),
    getName: async (name, options) => (await current(options)).getName(name, options),
    collectGarbage: async (options) => (await current(options)).collectGarbage(options),
    check: async (options) => (await current(options)).check(options),
    probe: async (options) => (await current(options)).probe(options),
    async close() {
      closed = true
      const node = await opening?.catch(() => undefined) // it never opened, so there is nothing to close
      await node?.close()
    },
  }
}
