/**
 * The block cache as the tree uses it: what the tree announces to its index is durable with the next commit of that
 * index.
 */
import type { BlockStore } from '../../storage/blocks/index.js'

export class TreeBlocks {
  readonly store: BlockStore
  /** The index has changes that no commit of it has made durable. */
  hasChanges = false

  constructor(store: BlockStore) {
    this.store = store
  }

  /** Announces blocks that lie in segments. */
  index(blocks: Parameters<BlockStore['index']>[0]): void {
    this.hasChanges = true
    if (blocks.length > 0) this.store.index(blocks)
  }

  /** New uses of blocks that are in the store already. */
  reference(rows: readonly { readonly digest: Uint8Array }[]): void {
    if (rows.length === 0) return
    this.store.reference(rows.map(({ digest }) => digest))
    this.hasChanges = true
  }

  /** Keeps blocks that came from a node. */
  keepFetched(blocks: Parameters<BlockStore['ingest']>[0]): void {
    this.hasChanges = true
    this.store.ingest(blocks, { onlyCopy: false })
  }

  async commit(): Promise<void> {
    if (!this.hasChanges) return
    this.hasChanges = false
    try {
      await this.store.commit()
    } catch (error) {
      this.hasChanges = true
      throw error
    }
  }
}
