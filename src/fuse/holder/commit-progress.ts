/** What the log has to know of the tree, to remove entries. */

/** State of commits and buffers of the tree. */
export interface CommitProgress {
  /** Sequence of the commit that will contain the current changes. */
  readonly sequence: number
  /** The newest durable commit. It contains all earlier changes, except bytes that are only in memory. */
  readonly durable: number
  /** Whether changes wait for the next commit. */
  readonly isPending: boolean
  /** Whether bytes of this range of a file are only in memory. */
  isHeld(ino: number, start: number, end: number): boolean
}
