/**
 * Sends the blocks of a plan to the node in parts of bounded size, and records each part that the node confirmed.
 * Memory holds a few blocks per part, whatever the size of the upload.
 */
import { aborted, DriveError, forEachBounded, hex, throwIfAborted, type Digest, sharedAbort } from '../../base/index.js'
import { cidOf } from '../../dag/index.js'
import type { IpfsNode, NodeBlock } from '../../node/index.js'
import type { SyncSettings } from '../contract.js'
import type { KnownPlaces, LocalBlockReader } from '../fetch/local-blocks.js'
import { pagesOf } from '../../storage/kv/index.js'
import { decodeNode, decodeOutgoing, digestOf, encodeOutgoing, type OutgoingRow } from '../../commits/index.js'
import type { Plan, SyncState } from '../state/sync-state.js'

export interface Sender {
  readonly state: SyncState
  readonly blocks: LocalBlockReader
  readonly node: Pick<IpfsNode, 'importBlocks' | 'missing'>
  readonly settings: Pick<SyncSettings, 'partBlocks' | 'partBytes' | 'concurrentParts'>
  /** Blocks and bytes of `outgoing` that the node now has. `wasThere`: the node had them before. */
  readonly onSent: (blocks: number, bytes: number, wasThere: boolean) => void
}

/** A block of the plan is on neither this machine nor the node. The plan cannot be finished, but a new one can. */
export class LostBlock extends Error {
  override readonly name = 'LostBlock'
}

/** The block was lost in every rebuild. */
export function unreadable(cause: unknown): DriveError {
  return new DriveError(
    'CORRUPT',
    'A block that only this machine had cannot be read any more. docs/RECOVERY.md says what to do when `data/` is damaged.',
    { cause },
  )
}

/** The node that the drive is to move to lacks a block that this machine lacks too. */
export function notHere(cause: unknown): DriveError {
  return new DriveError('NOT_FOUND', 'This machine does not hold all of the drive.', { cause })
}

interface OutgoingBlock extends OutgoingRow {
  readonly digest: Digest
}

const BLOCKS_A_READ = 16
const PLACES_A_QUESTION = 256
const CIDS_A_QUESTION = 1000

/**
 * When it resolves, the node has confirmed every block in `outgoing`.
 * @param askFirst skip blocks the node already holds (for a plan from an earlier run)
 */
export async function sendBlocks(
  plan: Pick<Plan, 'version'>,
  sender: Sender,
  askFirst: boolean,
  signal: AbortSignal,
): Promise<void> {
  if (askFirst) {
    countSent(sender)
    await markHeld(sender, signal)
  }
  const stop = sharedAbort()
  const onAbort = (): void => stop.abort(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await forEachBounded(unsentParts(sender), sender.settings.concurrentParts, async (part) => {
      try {
        await sendPart(part, plan, sender, stop.signal)
      } catch (error) {
        // The first failure stops the other parts.
        stop.abort(error)
        throw error
      }
    })
  } catch (error) {
    throwIfAborted(signal)
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
  throwIfAborted(signal)
}

/** Resets the confirmations in `outgoing`, because they were made by another node. */
export async function forgetSent({ tables, queue }: Pick<SyncState, 'tables' | 'queue'>): Promise<void> {
  for (const rows of pagesOf(tables.outgoing)) {
    for (const [digest, value] of rows) {
      tables.outgoing.put(digest, encodeOutgoing({ ...decodeOutgoing(value), isSent: false }))
    }
    await queue.commit()
  }
}

async function sendPart(
  part: readonly OutgoingBlock[],
  plan: Pick<Plan, 'version'>,
  sender: Sender,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) throw aborted(signal)
  const { node, state } = sender
  const source = new PartSource(part, sender, signal)
  const { blocks } = await node
    .importBlocks(source.blocks(), {
      roots: [cidOf(plan.version.root, 'dag-pb')],
      cache: sender.blocks.cache,
      signal,
    })
    .catch((error: unknown) => {
      // The node may report only that its input ended; the cause is in `source`.
      throw source.failure ?? error
    })
  if (blocks < part.length) {
    throw new DriveError('NODE_ERROR', `The node took ${blocks} of ${part.length} blocks.`, { about: { blocks } })
  }
  markSent(part, sender, false)
  await state.queue.commit()
}

/** Reads a part's blocks a few at a time while the node takes them. */
class PartSource {
  failure: unknown

  constructor(
    private readonly part: readonly OutgoingBlock[],
    private readonly sender: Sender,
    private readonly signal: AbortSignal,
  ) {}

  async *blocks(): AsyncGenerator<NodeBlock> {
    try {
      for (let at = 0; at < this.part.length; at += PLACES_A_QUESTION) {
        const some = this.part.slice(at, at + PLACES_A_QUESTION)
        const places = await this.sender.blocks.places(leavesOf(some))
        for (let from = 0; from < some.length; from += BLOCKS_A_READ) {
          throwIfAborted(this.signal)
          yield* await this.#read(some.slice(from, from + BLOCKS_A_READ), places)
        }
      }
    } catch (error) {
      this.failure = error
      throw error
    }
  }

  async #read(batch: readonly OutgoingBlock[], places: KnownPlaces): Promise<NodeBlock[]> {
    const read = await this.sender.blocks.read(leavesOf(batch), places)
    let next = 0
    return batch.map(({ digest, kind }) => {
      const bytes = kind === 'leaf' ? read[next++] : storedBytes(digest, this.sender)
      if (bytes === undefined) throw new LostBlock(`Block ${cidText(digest, kind)} is no longer on this machine.`)
      return { cid: cidText(digest, kind), bytes, place: kind === 'leaf' ? places.get(hex(digest)) : undefined }
    })
  }
}

function leavesOf(blocks: readonly OutgoingBlock[]): Digest[] {
  return blocks.filter(({ kind }) => kind === 'leaf').map(({ digest }) => digest)
}

function storedBytes(digest: Digest, { state }: Sender): Uint8Array | undefined {
  const stored = state.tables.nodes.get(digest)
  return stored === undefined ? undefined : decodeNode(stored).bytes
}

/** Blocks sent by an earlier run count as done. */
function countSent({ state, onSent }: Sender): void {
  let [blocks, bytes] = [0, 0]
  for (const rows of pagesOf(state.tables.outgoing)) {
    for (const [, value] of rows) {
      const { isSent, sizeBytes } = decodeOutgoing(value)
      if (!isSent) continue
      blocks++
      bytes += sizeBytes
    }
  }
  if (blocks > 0) onSent(blocks, bytes, true)
}

/** Marks blocks that the node already holds as sent. */
async function markHeld(sender: Sender, signal: AbortSignal): Promise<void> {
  const { node, state } = sender
  for (const rows of pagesOf(state.tables.outgoing, { pageRows: CIDS_A_QUESTION })) {
    const unsent = rows
      .map(([key, value]) => ({ digest: digestOf(key), ...decodeOutgoing(value) }))
      .filter(({ isSent }) => !isSent)
    if (unsent.length === 0) continue
    const missing = new Set(
      await node.missing(
        unsent.map(({ digest, kind }) => cidText(digest, kind)),
        { signal },
      ),
    )
    markSent(
      unsent.filter(({ digest, kind }) => !missing.has(cidText(digest, kind))),
      sender,
      true,
    )
    await state.queue.commit()
  }
}

function markSent(blocks: readonly OutgoingBlock[], { state, onSent }: Sender, wasThere: boolean): void {
  for (const { digest, ...row } of blocks) {
    state.tables.outgoing.put(digest, encodeOutgoing({ ...row, isSent: true }))
  }
  onSent(
    blocks.length,
    blocks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    wasThere,
  )
}

function* unsentParts({ state, settings }: Sender): Generator<OutgoingBlock[]> {
  let part: OutgoingBlock[] = []
  let bytes = 0
  for (const rows of pagesOf(state.tables.outgoing)) {
    for (const [key, value] of rows) {
      const row = decodeOutgoing(value)
      if (row.isSent) continue
      if (part.length >= settings.partBlocks || (part.length > 0 && bytes + row.sizeBytes > settings.partBytes)) {
        yield part
        part = []
        bytes = 0
      }
      part.push({ digest: digestOf(key), ...row })
      bytes += row.sizeBytes
    }
  }
  if (part.length > 0) yield part
}

export function cidText(digest: Digest, kind: OutgoingRow['kind']): string {
  return cidOf(digest, kind === 'dag-pb' ? 'dag-pb' : 'raw')
}
