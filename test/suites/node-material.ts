/** Test data for nodes: blocks, small pin trees and signed name records, repeatable from a seed. */
import { createHash } from 'node:crypto'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { createIPNSRecord, marshalIPNSRecord } from 'ipns'
import { base36 } from 'multiformats/bases/base36'
import { seededRandom } from '../../src/base/index.js'
import { cidOf, parseCid } from '../../src/dag/index.js'
import { linksBlock } from '../../src/dag/pin-tree/links-block.js'
import type { NodeBlock } from '../../src/node/index.js'

export function rawBlock(bytes: Uint8Array): NodeBlock {
  return { cid: cidOf(new Uint8Array(createHash('sha256').update(bytes).digest()), 'raw'), bytes }
}

export function rawBlocks(count: number, sizeBytes: number, seed: number): NodeBlock[] {
  const random = seededRandom(seed)
  return Array.from({ length: count }, () => rawBlock(random.bytes(sizeBytes)))
}

export function pinTreeNode(children: readonly string[]): NodeBlock {
  const { digest, bytes } = linksBlock(children.map(parseCid))
  return { cid: cidOf(digest, 'dag-pb'), bytes }
}

export interface PinTree {
  readonly root: string
  readonly leaves: readonly NodeBlock[]
  readonly nodes: readonly NodeBlock[]
  readonly blocks: readonly NodeBlock[]
}

/** Leaves in groups of `fanout` below one root. */
export function pinTreeOver(leaves: readonly NodeBlock[], fanout = 8): PinTree {
  const nodes: NodeBlock[] = []
  for (let at = 0; at < leaves.length; at += fanout) {
    nodes.push(pinTreeNode(leaves.slice(at, at + fanout).map((leaf) => leaf.cid)))
  }
  const root = pinTreeNode(nodes.map((node) => node.cid))
  return { root: root.cid, leaves, nodes: [...nodes, root], blocks: [...leaves, ...nodes, root] }
}

export interface NameKey {
  readonly name: string
  record(value: string, sequence: bigint): Promise<Uint8Array>
}

/** A name and its records, made by the `ipns` package like those of other IPFS software. */
export async function nameKey(seed: number): Promise<NameKey> {
  const key = await generateKeyPairFromSeed('Ed25519', seededRandom(seed).bytes(32))
  return {
    name: key.publicKey.toCID().toString(base36),
    record: async (value, sequence) =>
      marshalIPNSRecord(
        await createIPNSRecord(key, `/ipfs/${value}`, sequence, 24 * 3600 * 1000, { v1Compatible: false }),
      ),
  }
}
