/** The contract of append-only segment files, which hold the bytes of sealed blocks. */
/** Where a sealed block lies: byte `offset` of segment file `segment`, `length` bytes. */
export interface BlockLocation {
  readonly segment: number
  readonly offset: number
  readonly length: number
}

/** Asks for a second name of a segment file, so that a store on the same disk has these blocks of it too. */
export interface SharedPlaces {
  readonly segment: number
  /** The second name. If the file has it already, that is the same. */
  readonly path: string
  readonly blocks: readonly { readonly digest: Uint8Array; readonly place: BlockLocation }[]
}

/**
 * Appends sealed blocks to a segment file of its own; any thread may have one. A segment number is claimed by exclusive
 * creation of its file, so writers never share one. Bytes are durable only after `BlockStore.commit` of the owner.
 */
export interface SegmentWriter {
  /** One write(2). `lengths` split `bytes` into consecutive blocks. @returns one location per block */
  append(bytes: Uint8Array, lengths: readonly number[]): BlockLocation[]
  close(): void
}
