/** Reads the copies of one block: the node's copy, and a good copy on this machine. */
import { equalBytes, isDriveError, type Digest, type DriveError, type DriveErrorCode } from '../../base/index.js'
import { decodeNode } from '../../commits/index.js'
import { cidOf, type Codec } from '../../dag/index.js'
import type { CheckParts } from './parts.js'

/** The node's copy of a block. */
export interface NodeCopy {
  readonly kind: 'good' | 'missing' | 'damaged'
  readonly bytes: Uint8Array
  /** The error, if the node could not read the block at all. */
  readonly failure?: DriveError
}

interface NodeParts {
  readonly node: Pick<CheckParts['node'], 'getBlock' | 'probe'>
  readonly core: CheckParts['core']
}

const NO_BYTES = new Uint8Array(0)

/**
 * Reads the whole block, and from the node alone. If the node fails twice to read a block while it answers other
 * requests, the block counts as damaged: a bad disk sector looks like this. Other failures of the node are thrown.
 */
export async function readFromNode(
  digest: Digest,
  codec: Codec,
  parts: NodeParts,
  signal: AbortSignal,
): Promise<NodeCopy> {
  for (let tries = 1; ; tries++) {
    try {
      return await readOnce(digest, codec, parts, signal)
    } catch (error) {
      if (signal.aborted || !isDriveError(error) || !OF_ONE_BLOCK.has(error.code)) throw error
      try {
        await parts.node.probe({ signal })
      } catch {
        throw error
      }
      if (tries === READ_TRIES) return { kind: 'damaged', bytes: NO_BYTES, failure: error }
    }
  }
}

const READ_TRIES = 2
/** Failures that one bad block can cause, as well as a failing node. */
const OF_ONE_BLOCK: ReadonlySet<DriveErrorCode> = new Set(['NODE_ERROR', 'OFFLINE', 'TIMEOUT'])

async function readOnce(
  digest: Digest,
  codec: Codec,
  { node, core }: NodeParts,
  signal: AbortSignal,
): Promise<NodeCopy> {
  try {
    const bytes = await node.getBlock(cidOf(digest, codec), { signal, timeoutMs: 0 })
    return { kind: equalBytes(core.sha256(bytes), digest) ? 'good' : 'damaged', bytes }
  } catch (error) {
    if (isDriveError(error, 'NOT_FOUND')) return { kind: 'missing', bytes: NO_BYTES }
    if (isDriveError(error, 'WRONG_BLOCK')) return { kind: 'damaged', bytes: NO_BYTES }
    throw error
  }
}

/** The block's bytes from this machine, if they match its digest. */
export async function goodCopyHere(
  digest: Digest,
  { state, port, core }: Pick<CheckParts, 'state' | 'port' | 'core'>,
): Promise<Uint8Array | undefined> {
  const stored = state.tables.nodes.get(digest)
  const node = stored === undefined ? undefined : decodeNode(stored).bytes
  if (node !== undefined && equalBytes(core.sha256(node), digest)) return node
  const [bytes] = await port.readBlocks([digest])
  return bytes !== undefined && equalBytes(core.sha256(bytes), digest) ? bytes : undefined
}
