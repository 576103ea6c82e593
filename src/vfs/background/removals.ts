/**
 * Large deleted files: their rows are deleted step by step, with a commit every few thousand (S-065). The inode stays
 * in the tables as one without a name until the last row is deleted. So after a crash or a close, the removal continues
 * at the next opening.
 */
import { chunkKey, decodeChunk, pageKey, rowsOf, secondOf } from '../../tree-state/index.js'
import { MIB } from '../../base/index.js'
import type { Inode } from '../inodes/inode.js'
import type { InodeTable } from '../inodes/inode-table.js'
import { removingKey } from '../inodes/state-rows.js'
import { forgetContent, pageIndexes, type RemoveParts } from '../content/remove-content.js'
import type { Committer } from '../staging/committer.js'
import type { Failures } from '../staging/failures.js'

/** The parts that removing in the background uses. */
export interface RemovalParts extends RemoveParts {
  readonly inodes: InodeTable
  readonly committer: Pick<Committer, 'commit'>
  readonly failures: Failures
}

/** Smaller files are removed at once, whatever layers they have. */
const LARGE_BYTES = 64 * MIB
const ROWS_A_COMMIT = 4096

export class Removals {
  readonly #parts: RemovalParts
  /** Inodes that still have rows. */
  readonly #waiting = new Set<Inode>()
  #running: Promise<void> | undefined
  #closed = false

  constructor(parts: RemovalParts) {
    this.#parts = parts
  }

  /** @returns whether the unreferenced file has too many rows to delete at once; if so, they are deleted here */
  takes(inode: Inode): boolean {
    if (this.#waiting.has(inode)) return true
    if (!inode.isFile || inode.unloaded || inode.inline !== undefined || inode.size < LARGE_BYTES) return false
    const { state } = this.#parts.state.tables
    const isMarked = state.get(removingKey(inode.ino)) !== undefined
    if (this.#rowsOf(inode).length + this.#pagesOf(inode).length < ROWS_A_COMMIT) {
      if (isMarked) state.delete(removingKey(inode.ino))
      return false
    }
    if (!isMarked) state.put(removingKey(inode.ino), Buffer.of(1))
    forgetContent(this.#parts, inode)
    this.#waiting.add(inode)
    this.goOn()
    return true
  }

  /** Continues the removals, also after a failure. */
  goOn(): void {
    if (this.#closed || this.#waiting.size === 0) return
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  /** After it resolves, nothing is removed. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
  }

  async #run(): Promise<void> {
    const { committer, failures, inodes, state } = this.#parts
    try {
      for (const inode of this.#waiting) {
        // Rows are deleted only after the commit in which the file has no name.
        await committer.commit()
        while (this.#removeSome(inode)) {
          await committer.commit()
          if (this.#closed) return
        }
        this.#waiting.delete(inode)
        inode.size = 0
        state.tables.state.delete(removingKey(inode.ino))
        inodes.removeUnreferenced(inode)
      }
    } catch (error) {
      failures.note('a large file could not be removed', error)
    }
  }

  /** @returns whether there were rows to delete */
  #removeSome(inode: Inode): boolean {
    const { tables } = this.#parts.state
    const rows = this.#rowsOf(inode)
    for (const [key, value] of rows) {
      const { offset, digest, born } = decodeChunk(secondOf(key), value)
      tables.chunks.delete(chunkKey(inode.ino, offset))
      this.#parts.state.addRemoved({ kind: 'block', digest, born })
    }
    const pages = this.#pagesOf(inode)
    for (const index of pages) tables.pages.delete(pageKey(inode.ino, index))
    return rows.length + pages.length > 0
  }

  #rowsOf(inode: Inode): (readonly [Uint8Array, Uint8Array])[] {
    return [...this.#parts.state.tables.chunks.range({ ...rowsOf(inode.ino), limit: ROWS_A_COMMIT })]
  }

  #pagesOf(inode: Inode): number[] {
    return pageIndexes(this.#parts.state.tables.pages, inode.ino, ROWS_A_COMMIT)
  }
}
