/** The segment to which the store itself appends: blocks from a node, and blocks that move. It is opened on demand. */
import { openSegmentWriter, type BlockLocation, type SegmentWriter } from '../segments/index.js'

export class OwnSegment {
  readonly #directory: string
  readonly #segmentBytes: number | undefined
  #writer: SegmentWriter | undefined

  constructor(directory: string, segmentBytes: number | undefined) {
    this.#directory = directory
    this.#segmentBytes = segmentBytes
  }

  /** @param lengths of the blocks, whose bytes follow each other */
  append(bytes: Uint8Array, lengths: readonly number[]): BlockLocation[] {
    const segmentBytes = this.#segmentBytes
    this.#writer ??= openSegmentWriter(this.#directory, { ...(segmentBytes && { segmentBytes }) })
    return this.#writer.append(bytes, lengths)
  }

  /** Ends appends to the segment; the next block starts a new one. */
  finish(): void {
    this.#writer?.close()
    this.#writer = undefined
  }
}
