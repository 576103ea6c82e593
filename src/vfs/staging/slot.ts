/** A shared buffer that a sequential writer fills and the pipeline reads in place. */
import { MIB } from '../../base/index.js'

export const SLOT_BYTES = 4 * MIB

export interface Slot {
  readonly bytes: Uint8Array
  /** The inode number of the file whose tail is in the buffer. */
  owner: number | undefined
  isTaken: boolean
  /** Its number among the buffers that outlive this process; undefined for one that does not. */
  readonly kept: number | undefined
}
