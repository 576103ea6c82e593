/** The stored node lists of the maps that sync built. The next version reuses equal nodes and drops the others. */
import type { Digest } from '../../base/index.js'
import { readMapNodes, type FetchBlock, type MapNode, type TreeRef } from '../../dag/index.js'
import type { Table } from '../../storage/kv/index.js'

/** Row: per node level u8, key length u16, first key, plain hash[32], digest[32], key[32]. */
export function encodeMapNodes(nodes: readonly MapNode[]): Uint8Array {
  const parts: Uint8Array[] = []
  for (const { level, firstKey, plainHash, ref } of nodes) {
    const head = Buffer.allocUnsafe(3)
    head[0] = level
    head.writeUInt16BE(firstKey.length, 1)
    parts.push(head, firstKey, plainHash, ref.digest, ref.key)
  }
  return Buffer.concat(parts)
}

function decodeMapNodes(bytes: Uint8Array): MapNode[] {
  const nodes: MapNode[] = []
  let at = 0
  const take = (length: number): Uint8Array => bytes.slice(at, (at += length))
  while (at < bytes.length) {
    const head = take(3)
    const firstKey = take((head[1]! << 8) | head[2]!)
    nodes.push({ level: head[0]!, firstKey, plainHash: take(32), ref: { digest: take(32), key: take(32) } })
  }
  return nodes
}

/** The nodes of a published map: from the table, or read from the map if another device made it. */
export async function nodesOf(
  ref: TreeRef,
  maps: Pick<Table, 'get'>,
  fetch: FetchBlock,
  signal?: AbortSignal,
): Promise<MapNode[]> {
  const known = maps.get(ref.digest)
  if (known !== undefined) return decodeMapNodes(known)
  return readMapNodes(ref, fetch, signal === undefined ? {} : { signal })
}

export function rootDigestOf(nodes: readonly MapNode[]): Digest | undefined {
  return nodes.at(-1)?.ref.digest
}
