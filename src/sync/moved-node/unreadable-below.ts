/** Reads a version that is not the published one, such as the newest of another device, back from the node. */
import { BoundedQueue, throwIfAborted, type Digest } from '../../base/index.js'
import { decodeLinks, MAX_PIN_TREE_DEPTH, parseCid } from '../../dag/index.js'
import type { CidText } from '../../node/index.js'
import { readFromNode } from '../check/copies.js'
import type { CheckParts } from '../check/parts.js'

/** Concurrent reads from the node. */
const READS = 4

/** @returns how many of its blocks the node did not return. Those of the published version are not read again. */
export async function unreadableBelow(
  root: CidText,
  parts: Pick<CheckParts, 'state' | 'node' | 'core'>,
  signal: AbortSignal,
  onRead: () => void,
): Promise<number> {
  const { live } = parts.state.tables
  const queue = new BoundedQueue(READS)
  let bad = 0
  let last: Digest | undefined
  const read = async (digest: Digest, codec: 'raw' | 'dag-pb'): Promise<Uint8Array | undefined> => {
    throwIfAborted(signal)
    const { kind, bytes } = await readFromNode(digest, codec, parts, signal)
    onRead()
    if (kind === 'good') return bytes
    bad++
    return undefined
  }
  const below = async (digest: Digest, depth: number): Promise<void> => {
    const bytes = await read(digest, 'dag-pb')
    if (bytes === undefined) return
    const links = decodeLinks(bytes)
    const leaves = links.filter(({ codec }) => codec === 'raw').map((link) => link.digest)
    if (depth > 0) {
      // A node with several parents could have any number of paths: digests ascend in a pin tree.
      const isDisordered = leaves.some((leaf) => {
        const before = last
        last = leaf
        return before !== undefined && Buffer.compare(before, leaf) >= 0
      })
      if (isDisordered || depth > MAX_PIN_TREE_DEPTH || (links.length === 0 && depth > 1)) return void bad++
    }
    const wanted = leaves.filter((leaf) => live.get(leaf) === undefined)
    await Promise.all(wanted.map((leaf) => queue.run(() => read(leaf, 'raw'))))
    for (const link of links) {
      if (bad > MOST_BAD) return
      if (link.codec === 'dag-pb') await below(link.digest, depth + 1)
    }
  }
  await below(parseCid(root).digest, 0)
  return bad
}

/** The walk ends: the store stays anyway. */
const MOST_BAD = 1000
