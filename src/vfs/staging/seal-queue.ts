/**
 * Written bytes on their way to blocks: pieces in the pipeline (src/pipeline/seal-chunks.ts). Full tails are sealed at
 * once, small closed files together in one job. Results are applied in the order of the file's pieces, when the apply
 * gate is open.
 */
import { DriveError, isDriveError, MIB } from '../../base/index.js'
import type { Pipeline, SealedItem } from '../../pipeline/index.js'
import { applyPiece, indexSealed, type ApplyParts } from '../content/apply-piece.js'
import { makePiece, renewPromise, type Piece } from '../content/piece.js'
import type { Inode } from '../inodes/inode.js'
import type { ApplyGate } from './apply-gate.js'
import type { Failures } from './failures.js'
import type { HeldMemory } from './held-memory.js'
import { pieceJobOf, type SealWork } from './pipeline-input.js'

const BATCH_BYTES = 1 * MIB
const BATCH_DELAY_MS = 30

/** The parts that sealing uses. */
export interface SealParts extends ApplyParts {
  readonly pipeline: Pick<Pipeline, 'seal'>
  readonly gate: ApplyGate
  readonly held: HeldMemory
  readonly failures: Failures
}

export class SealQueue {
  readonly #parts: SealParts
  readonly #running = new Set<Promise<void>>()
  #batch: SealWork[] = []
  #batchBytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(parts: SealParts) {
    this.#parts = parts
  }

  /** Turns the tail into a piece and submits it at once. */
  sealTail(inode: Inode): void {
    const piece = this.#takeTail(inode)
    if (piece !== undefined) this.#submit([{ inode, piece }])
  }

  /** Turns the tail of a closed small file into a piece, which waits for others for a short time. */
  batchTail(inode: Inode): void {
    const piece = this.#takeTail(inode)
    if (piece === undefined) return
    this.#batch.push({ inode, piece })
    this.#batchBytes += piece.length
    if (this.#batchBytes >= BATCH_BYTES) this.flushBatch()
    else this.#timer ??= setTimeout(() => this.flushBatch(), BATCH_DELAY_MS)
  }

  flushBatch(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const batch = this.#batch.filter(({ piece }) => piece.state === 'waiting')
    this.#batch = []
    this.#batchBytes = 0
    if (batch.length > 0) this.#submit(batch)
  }

  /** Waits until these pieces of the file are chunk rows; retries failed ones. Rejects with the first failure. */
  async settle(inode: Inode, pieces: readonly Piece[]): Promise<void> {
    const waits: Promise<void>[] = []
    const some = [...pieces]
    for (const piece of some) {
      // The buffer of a deleted file may already hold bytes of another file.
      const isOpen = piece.state === 'failed' && !isLeft({ inode, piece })
      if (isOpen && piece.limit === 0) {
        this.#drop(inode, piece)
        continue
      }
      if (isOpen) this.#retry(inode, piece)
      waits.push(piece.done)
    }
    if (some.some((piece) => piece.state === 'waiting')) this.flushBatch()
    await Promise.all(waits)
  }

  /**
   * The file is deleted, and its content was taken from it. Frees the memory and the blocks of pieces that no job will
   * return.
   */
  abandon(inode: Inode, pieces: readonly Piece[]): void {
    for (const piece of pieces) {
      piece.limit = 0
      // Pieces in flight are freed when they come back. The inode of a large file exists until its last row is deleted.
      piece.isAbandoned = true
      if (piece.state === 'failed') this.#finish(piece)
      else if (piece.state === 'sealed') this.#apply(inode, piece)
    }
  }

  /** Resolves when no job runs; failed pieces stay. */
  async idle(): Promise<void> {
    this.flushBatch()
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  #takeTail(inode: Inode): Piece | undefined {
    const { held } = this.#parts
    const { content } = inode
    const tail = content?.tail
    if (content === undefined || tail === undefined) return undefined
    const { start, length, slot } = tail
    content.tail = undefined
    if (slot !== undefined) slot.owner = undefined
    content.streamEnd = start + length
    const piece = makePiece({ start, length, slot, data: tail.data.subarray(0, length), epoch: content.epoch++ })
    content.pieces.push(piece)
    // The age of held bytes restarts with the rest of the stream. If a stream were cut by the clock, deduplication
    // would suffer.
    if (content.heldPages.size === 0) held.files.delete(inode)
    held.account(inode)
    return piece
  }

  #retry(inode: Inode, piece: Piece): void {
    renewPromise(piece)
    this.#submit([{ inode, piece }])
  }

  /** For a failed piece that was truncated completely. */
  #drop(inode: Inode, piece: Piece): void {
    const content = inode.content!
    content.pieces.splice(content.pieces.indexOf(piece), 1)
    content.pages.settle(content.pieces[0]?.epoch ?? Infinity)
    this.#finish(piece)
    if (content.pieces.every(({ state }) => state !== 'failed')) content.error = undefined
    this.#parts.held.account(inode)
    this.#applyReady(inode)
  }

  #submit(work: readonly SealWork[]): void {
    const run = this.#seal(work)
    this.#running.add(run)
    void run.finally(() => this.#running.delete(run))
  }

  /** Never rejects: callers that wait for a piece get its failure, and its bytes stay in memory for the next try. */
  async #seal(work: readonly SealWork[]): Promise<void> {
    const { pipeline, gate, held } = this.#parts
    for (const { piece } of work) piece.state = 'running'
    try {
      const { data, items, release } = pieceJobOf(work, held)
      const sealed = await pipeline.seal({ data, items }).finally(release)
      gate.apply(() => this.#arrived(work, sealed))
    } catch (error) {
      this.#failed(work, error)
    }
  }

  #failed(work: readonly SealWork[], error: unknown): void {
    const failure = isDriveError(error) ? error : new DriveError('INTERNAL', 'Sealing failed.', { cause: error })
    this.#parts.failures.note('files could not be staged', error)
    for (const { inode, piece } of work) {
      piece.state = 'failed'
      piece.error = failure
      if (inode.content !== undefined) inode.content.error = failure
      if (isLeft({ inode, piece })) this.#finish(piece)
      piece.reject(failure)
    }
    this.#parts.held.fail(failure)
  }

  /** Never throws: the gate may call it during a commit of another caller. */
  #arrived(work: readonly SealWork[], sealed: readonly SealedItem[]): void {
    let complete: boolean[]
    try {
      complete = indexSealed(this.#parts, sealed)
    } catch (error) {
      this.#failed(work, error)
      return
    }
    work.forEach(({ inode, piece }, i) => {
      piece.sealed = sealed[i]!
      piece.state = 'sealed'
      // A block that the pipeline found in the store was evicted since: seal again while the bytes are in memory.
      if (!complete[i]) this.#submit([{ inode, piece }])
    })
    const ready = work.filter((_, i) => complete[i])
    for (const inode of new Set(ready.map((one) => one.inode))) this.#applyReady(inode)
    for (const one of ready) if (isLeft(one)) this.#apply(one.inode, one.piece)
  }

  #applyReady(inode: Inode): void {
    const { content } = inode
    if (content === undefined || inode.gone) return
    let applied = false
    while (content.pieces[0]?.state === 'sealed' && this.#apply(inode, content.pieces[0])) {
      content.pieces.shift()
      applied = true
    }
    if (!applied) return
    content.pages.settle(content.pieces[0]?.epoch ?? Infinity)
    if (content.pieces.every((piece) => piece.state !== 'failed')) content.error = undefined
    this.#parts.held.account(inode)
    this.#parts.held.close(inode)
  }

  /** @returns false when it failed; the next try seals the piece again */
  #apply(inode: Inode, piece: Piece): boolean {
    try {
      applyPiece(this.#parts, inode, piece)
    } catch (error) {
      this.#failed([{ inode, piece }], error)
      return false
    }
    this.#finish(piece)
    piece.resolve()
    return true
  }

  #finish(piece: Piece): void {
    if (piece.slot !== undefined) this.#parts.held.releaseSlot(piece.slot)
    piece.slot = undefined
  }
}

/** The file is deleted and no longer in use. */
function isLeft({ inode, piece }: SealWork): boolean {
  return inode.gone || piece.isAbandoned
}
