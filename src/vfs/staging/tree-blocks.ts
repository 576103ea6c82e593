/**
 * The block cache as used by the tree. Blocks that the tree adds to the index are durable with the next commit of the
 * index.
 */
import type { BlockStore } from '../../storage/blocks/index.js'

export class TreeBlocks {
  readonly store: BlockStore
  /** The index has changes that are not durable yet. */
  hasChanges = false

  constructor(store: BlockStore) {
    this.store = store
  }

  /** Adds blocks in segments to the index. */
  index(blocks: Parameters<BlockStore['index']>[0]): void {
    this.hasChanges = true
    if (blocks.length > 0) this.store.index(blocks)
  }

  /** Adds references to blocks that are in the store already. */
  reference(rows: readonly { readonly digest: Uint8Array }[]): void {
    if (rows.length === 0) return
    this.store.reference(rows.map(({ digest }) => digest))
    this.hasChanges = true
  }

  /** Keeps blocks fetched from a node. */
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
