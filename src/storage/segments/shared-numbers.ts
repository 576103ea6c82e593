/** The numbers of shared segments: files of the block cache with a second name in a node's store. */
import type { Stats } from 'node:fs'
import { FIRST_SHARED } from './segment-names.js'

type Inode = Pick<Stats, 'ino'>

export class SharedNumbers {
  /** Inode number → segment. */
  readonly #segments = new Map<number, number>()
  #next = FIRST_SHARED

  constructor(files: ReadonlyMap<number, Inode>) {
    for (const [segment, file] of files) if (segment >= FIRST_SHARED) this.add(segment, file)
  }

  add(segment: number, { ino }: Inode): void {
    this.#segments.set(ino, segment)
    this.#next = Math.max(this.#next, segment + 1)
  }

  remove(segment: number): void {
    for (const [ino, shared] of this.#segments) if (shared === segment) this.#segments.delete(ino)
  }

  /** The number that the file has, or the next one: it was of no segment since the store was opened. */
  of({ ino }: Inode): number {
    return this.#segments.get(ino) ?? this.#next
  }
}
