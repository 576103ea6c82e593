/** Material for node tests: blocks, small pin forests and signed name records, repeatable from a seed. */
import { encode } from '@ipld/dag-pb'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { createIPNSRecord, marshalIPNSRecord } from 'ipns'
import { base36 } from 'multiformats/bases/base36'
import { CID } from 'multiformats/cid'
import { seededRandom } from '../../src/base/index.js'
import { CODEC, cidOfBytes } from '../../src/node/cid.js'
import type { NodeBlock } from '../../src/node/index.js'

export function rawBlock(bytes: Uint8Array): NodeBlock {
  return { cid: cidOfBytes(bytes, CODEC.RAW), bytes }
}

export function rawBlocks(count: number, sizeBytes: number, seed: number): NodeBlock[] {
  const random = seededRandom(seed)
  return Array.from({ length: count }, () => rawBlock(random.bytes(sizeBytes)))
}

export function forestNode(children: readonly string[]): NodeBlock {
  const bytes = encode({ Links: children.map((cid) => ({ Hash: CID.parse(cid), Name: '', Tsize: 0 })) })
  return { cid: cidOfBytes(bytes, CODEC.DAG_PB), bytes }
}

export interface Forest {
  readonly root: string
  readonly leaves: readonly NodeBlock[]
  readonly nodes: readonly NodeBlock[]
  readonly blocks: readonly NodeBlock[]
}

/** Leaves in groups of `fanout` below one root. */
export function forestOver(leaves: readonly NodeBlock[], fanout = 8): Forest {
  const nodes: NodeBlock[] = []
  for (let at = 0; at < leaves.length; at += fanout) {
    nodes.push(forestNode(leaves.slice(at, at + fanout).map((leaf) => leaf.cid)))
  }
  const root = forestNode(nodes.map((node) => node.cid))
  return { root: root.cid, leaves, nodes: [...nodes, root], blocks: [...leaves, ...nodes, root] }
}

export interface NameKey {
  readonly name: string
  record(value: string, sequence: bigint): Promise<Uint8Array>
}

/** A name and its records, made by the `ipns` package: what other IPFS software makes. */
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
