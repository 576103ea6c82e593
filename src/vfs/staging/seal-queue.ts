/**
 * Pieces on their way through the pipeline: full tails at once, small closed files together in one job. What comes back is
 * applied in the order of the file's pieces, when the apply gate lets it.
 */
import { DriveError, isDriveError, KIB, MIB } from '../../base/index.js'
import type { SealedItem, SealItem } from '../../pipeline/index.js'
import type { Inode } from '../inodes/inode.js'
import type { Volume } from '../volume.js'
import { applyPiece, indexSealed } from '../content/apply-piece.js'
import { closeContent } from '../content/file-content.js'
import { makePiece, renewPromise, type Piece } from '../content/piece.js'

const BATCH_BYTES = 1 * MIB
const BATCH_DELAY_MS = 30
/** Jobs below it are not worth a shared buffer. */
const SHARED_FROM_BYTES = 64 * KIB

export class SealQueue {
  readonly #volume: Volume
  readonly #running = new Set<Promise<void>>()
  #batch: Piece[] = []
  #batchBytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(volume: Volume) {
    this.#volume = volume
  }

  /** The tail becomes a piece and goes to the pipeline at once. */
  sealTail(inode: Inode): void {
    const piece = this.#takeTail(inode)
    if (piece !== undefined) this.#submit([piece])
  }

  /** The tail of a closed small file becomes a piece and waits for others, not long. */
  batchTail(inode: Inode): void {
    const piece = this.#takeTail(inode)
    if (piece === undefined) return
    this.#batch.push(piece)
    this.#batchBytes += piece.length
    if (this.#batchBytes >= BATCH_BYTES) this.flushBatch()
    else this.#timer ??= setTimeout(() => this.flushBatch(), BATCH_DELAY_MS)
  }

  flushBatch(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const batch = this.#batch.filter((piece) => piece.state === 'waiting')
    this.#batch = []
    this.#batchBytes = 0
    if (batch.length > 0) this.#submit(batch)
  }

  /** Waits until these pieces are chunk rows; failed ones are tried again. Rejects with the first failure. */
  async settle(pieces: readonly Piece[]): Promise<void> {
    const work: Promise<void>[] = []
    for (const piece of pieces) {
      // The bytes of a file that is gone may be another file's by now.
      const isOpen = piece.state === 'failed' && !piece.inode.gone
      if (isOpen && piece.limit === 0) {
        this.#drop(piece)
        continue
      }
      if (isOpen) this.#retry(piece)
      work.push(piece.done)
    }
    if (pieces.some((piece) => piece.state === 'waiting')) this.flushBatch()
    await Promise.all(work)
  }

  /** The file is gone, its content taken from it: what nothing will come back for any more lets go of its memory and its blocks. */
  abandon(pieces: readonly Piece[]): void {
    for (const piece of pieces) {
      piece.limit = 0
      // Those under way find their file gone when they come back.
      if (piece.state === 'failed') this.#finish(piece)
      else if (piece.state === 'sealed') this.#apply(piece)
    }
  }

  /** Resolves when no job runs; failed pieces stay. */
  async idle(): Promise<void> {
    this.flushBatch()
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  #takeTail(inode: Inode): Piece | undefined {
    const { content } = inode
    const tail = content?.tail
    if (content === undefined || tail === undefined) return undefined
    const { start, length, slot } = tail
    content.tail = undefined
    if (slot !== undefined) slot.owner = undefined
    content.streamEnd = start + length
    const piece = makePiece({ inode, start, length, slot, data: tail.data.subarray(0, length), epoch: content.epoch++ })
    content.pieces.push(piece)
    // What follows in the stream is held from now on; cutting a stream in progress by the clock would cost deduplication.
    if (content.heldPages.size === 0) this.#volume.held.files.delete(inode)
    this.#volume.held.account(inode)
    return piece
  }

  #retry(piece: Piece): void {
    renewPromise(piece)
    this.#submit([piece])
  }

  /** All of it was cut off since it failed. */
  #drop(piece: Piece): void {
    const content = piece.inode.content!
    content.pieces.splice(content.pieces.indexOf(piece), 1)
    this.#finish(piece)
    if (content.pieces.every(({ state }) => state !== 'failed')) content.error = undefined
    this.#volume.held.account(piece.inode)
    this.#applyReady(piece.inode)
  }

  #submit(pieces: readonly Piece[]): void {
    const run = this.#seal(pieces)
    this.#running.add(run)
    void run.finally(() => this.#running.delete(run))
  }

  /** Never rejects: whoever waits for a piece hears of its failure, and its bytes stay in memory for the next try. */
  async #seal(pieces: readonly Piece[]): Promise<void> {
    for (const piece of pieces) piece.state = 'running'
    try {
      const { data, items, release } = this.#jobOf(pieces)
      const sealed = await this.#volume.pipeline.seal({ data, items }).finally(release)
      this.#volume.gate.apply(() => this.#arrived(pieces, sealed))
    } catch (error) {
      this.#failed(pieces, error)
    }
  }

  #jobOf(pieces: readonly Piece[]): { data: Uint8Array; items: SealItem[]; release: () => void } {
    const { held } = this.#volume
    let total = 0
    const items = pieces.map((piece): SealItem => {
      const item: SealItem = {
        offset: total,
        length: piece.length,
        mode: piece.inode.fixedChunks ? 'fixed' : 'content-defined',
        final: true,
      }
      total += piece.length
      return item
    })
    if (pieces.length === 1) return { data: pieces[0]!.data, items, release: () => undefined }
    const slot = total >= SHARED_FROM_BYTES ? held.takeSlot() : undefined
    const data =
      slot !== undefined && slot.bytes.length >= total ? slot.bytes.subarray(0, total) : Buffer.allocUnsafe(total)
    pieces.forEach((piece, i) => data.set(piece.data, items[i]!.offset))
    const release = (): void => {
      if (slot !== undefined) held.releaseSlot(slot)
    }
    return { data, items, release }
  }

  #failed(pieces: readonly Piece[], error: unknown): void {
    const failure = isDriveError(error) ? error : new DriveError('INTERNAL', 'Sealing failed.', { cause: error })
    this.#volume.failed('files could not be staged', error)
    for (const piece of pieces) {
      piece.state = 'failed'
      piece.error = failure
      if (piece.inode.content !== undefined) piece.inode.content.error = failure
      if (piece.inode.gone) this.#finish(piece)
      piece.reject(failure)
    }
    this.#volume.held.fail(failure)
  }

  /** Never throws: the gate may call it in the middle of somebody's commit. */
  #arrived(pieces: readonly Piece[], sealed: readonly SealedItem[]): void {
    let complete: boolean[]
    try {
      complete = indexSealed(this.#volume, sealed)
    } catch (error) {
      this.#failed(pieces, error)
      return
    }
    pieces.forEach((piece, i) => {
      piece.sealed = sealed[i]!
      piece.state = 'sealed'
      // A block the pipeline found in the store was dropped since: seal again while the bytes are here.
      if (!complete[i]) this.#submit([piece])
    })
    const ready = pieces.filter((_, i) => complete[i])
    for (const inode of new Set(ready.map((piece) => piece.inode))) this.#applyReady(inode)
    for (const piece of ready) if (piece.inode.gone) this.#apply(piece)
  }

  #applyReady(inode: Inode): void {
    const { content } = inode
    if (content === undefined || inode.gone) return
    let applied = false
    while (content.pieces[0]?.state === 'sealed' && this.#apply(content.pieces[0])) {
      content.pieces.shift()
      applied = true
    }
    if (!applied) return
    if (content.pieces.every((piece) => piece.state !== 'failed')) content.error = undefined
    this.#volume.held.account(inode)
    closeContent(this.#volume, inode)
  }

  /** @returns false when it failed: the piece is sealed again by the next try */
  #apply(piece: Piece): boolean {
    try {
      applyPiece(this.#volume, piece)
    } catch (error) {
      this.#failed([piece], error)
      return false
    }
    this.#finish(piece)
    piece.resolve()
    return true
  }

  #finish(piece: Piece): void {
    if (piece.slot !== undefined) this.#volume.held.releaseSlot(piece.slot)
    piece.slot = undefined
  }
}
