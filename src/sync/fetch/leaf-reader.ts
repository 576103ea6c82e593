/**
 * Plaintext of leaf blocks, for merging staged pages: from this machine or from the node. Caches the last few leaves.
 */
import { hex, type Digest, type SecretKey } from '../../base/index.js'
import type { Core } from '../../pipeline/index.js'
import type { LocalBlockReader } from './local-blocks.js'

const KEPT_LEAVES = 8

export interface LeafSource {
  readonly blocks: Pick<LocalBlockReader, 'read'>
  readonly core: Core
  readonly fetchBlocks: (digests: readonly Digest[], signal?: AbortSignal) => Promise<Uint8Array[]>
}

export class LeafReader {
  readonly #kept = new Map<string, Uint8Array>()

  constructor(
    private readonly source: LeafSource,
    private readonly signal: AbortSignal,
  ) {}

  async read(digest: Digest, key: SecretKey): Promise<Uint8Array> {
    const name = hex(digest)
    const known = this.#kept.get(name)
    if (known !== undefined) return known
    const [local] = await this.source.blocks.read([digest])
    const sealed = local ?? (await this.source.fetchBlocks([digest], this.signal))[0]!
    const plain = this.source.core.openLeaf(sealed, key)
    if (this.#kept.size >= KEPT_LEAVES) this.#kept.delete(this.#kept.keys().next().value!)
    this.#kept.set(name, plain)
    return plain
  }
}
