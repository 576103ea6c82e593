/**
 * A node that need not be there when the drive opens: a disk not plugged in, a store another process still holds. It is
 * opened at the first call that finds it, and until then calls fail with OFFLINE.
 */
import { DriveError, isDriveError, sleep } from '../base/index.js'
import type { IpfsNode } from '../node/index.js'

/** A daemon that was just killed may still be on its way out. */
const LOCKED_TRIES = 20
const LOCKED_WAIT_MS = 100

export function reopeningNode(open: () => Promise<IpfsNode>): IpfsNode {
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
  const current = (): Promise<IpfsNode> => {
    if (closed) return Promise.reject(new DriveError('ABORTED', 'The node is closed.'))
    opening ??= patiently().catch((error: unknown) => {
      opening = undefined
      const message = error instanceof Error ? error.message : 'The node cannot be opened.'
      throw new DriveError('OFFLINE', message, { cause: error })
    })
    return opening
  }

  return {
    importBlocks: async (blocks, options) => (await current()).importBlocks(blocks, options),
    getBlock: async (cid, options) => (await current()).getBlock(cid, options),
    missing: async (cids, options) => (await current()).missing(cids, options),
    pin: async (cid, options) => (await current()).pin(cid, options),
    updatePin: async (from, to, options) => (await current()).updatePin(from, to, options),
    unpin: async (cid, options) => (await current()).unpin(cid, options),
    listPins: async (options) => (await current()).listPins(options),
    putName: async (name, record, options) => (await current()).putName(name, record, options),
    getName: async (name, options) => (await current()).getName(name, options),
    collectGarbage: async (options) => (await current()).collectGarbage(options),
    check: async (options) => (await current()).check(options),
    async close() {
      closed = true
      const node = await opening?.catch(() => undefined) // it never opened, so there is nothing to close
      await node?.close()
    },
  }
}
