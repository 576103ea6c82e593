/**
 * Sends good copies of damaged blocks to the node again. A block counts as repaired only if the node then returns it.
 */
import type { Digest } from '../../base/index.js'
import { cidOf } from '../../dag/index.js'
import type { NodeBlock } from '../../node/index.js'
import { isPinned } from '../publish/pin-version.js'
import type { CheckParts } from './parts.js'
import { goodCopyHere, readFromNode } from './copies.js'
import { damagedIn, isOfVersion, putDamage, type DamagedRow } from './damage.js'

const MOST_BYTES = 16 * 1024 * 1024

/**
 * Blocks that the node then returns are `healed`. Others stay `open`, and so do blocks without a good copy here.
 * Nothing is sent while the node does not list the version's pin: it could collect the blocks.
 * @returns how many the node then returned
 */
export async function sendAgain(
  parts: CheckParts,
  signal: AbortSignal,
  onSent: (blocks: number) => void,
): Promise<number> {
  const { head } = parts.state
  if (head === undefined || !(await isPinned(head.root, parts, signal))) return 0
  let healed = 0
  for (const rows of damagedIn(['open', 'lost'], parts.state)) {
    let batch: (DamagedRow & { readonly bytes: Uint8Array })[] = []
    let size = 0
    for (const row of rows) {
      const bytes = isOfVersion(row, parts.state) ? await goodCopyHere(row.digest, parts) : undefined
      if (bytes === undefined) continue
      batch.push({ ...row, bytes })
      size += bytes.length
      if (size < MOST_BYTES) continue
      healed += await send(batch, parts, signal)
      onSent(batch.length)
      batch = []
      size = 0
    }
    if (batch.length === 0) continue
    healed += await send(batch, parts, signal)
    onSent(batch.length)
  }
  return healed
}

async function send(
  batch: readonly (DamagedRow & { readonly bytes: Uint8Array })[],
  parts: CheckParts,
  signal: AbortSignal,
): Promise<number> {
  const { node, state, port } = parts
  const blocks = batch.map(({ digest, codec, bytes }): NodeBlock => ({ cid: cidOf(digest, codec), bytes }))
  await node.importBlocks(blocks, { roots: [], signal })
  const healed: Digest[] = []
  let good = 0
  for (const { bytes: _, ...row } of batch) {
    const { kind } = await readFromNode(row.digest, row.codec, parts, signal)
    if (kind !== 'good') continue
    good++
    putDamage({ ...row, state: 'healed' }, state)
    if (row.codec === 'raw' && isOfVersion(row, state)) healed.push(row.digest)
  }
  await state.queue.commit()
  // The node has confirmed them again, under the pin of the version.
  await port.giveBack({ unused: [], published: healed })
  return good
}
