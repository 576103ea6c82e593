/** An inode in memory: the mutable fields of the stored record, and runtime state. */
import type { PlainName } from '../../base/index.js'
import { AttributeRecord, StatRecord } from '../../model/index.js'
import { PAGE_BYTES, TYPE, type InodeRecord, type NodeRef } from '../../tree-state/index.js'
import type { FileContent } from '../content/file-content.js'
import type { Directory } from '../namespace/directory.js'
import type { Attributes } from '../tree.js'

export class Inode extends AttributeRecord implements InodeRecord {
  readonly ino: number
  parent: number
  nextCookie: number
  inline: Uint8Array | undefined
  ref: NodeRef | undefined
  unloaded: boolean
  holes: number

  /** Open handles. */
  handles = 0
  /** Running operations that keep the object in memory. */
  pins = 0
  /** In `InodeTable.changed`: the row must be written by the next commit. */
  changed = false
  /** The next commit also marks the inode as changed since the last published commit. */
  needsDirtyRow = false
  /** The sequence in its `dirty` row; 0: no row; -1: not looked up yet. */
  dirtySequence: number
  /** The stored row has a smaller size than the file. */
  isClipped = false
  /** File bytes staged since the last published commit. */
  unpublishedBytes = 0
  /** A name under which it was last found or created. */
  hint: PlainName | undefined
  /** Looked up since the last sweep of the table. */
  used = false
  /** Of attributes and an inline body, when it was last weighed; see `InodeCache.weigh`. */
  heavyBytes = 0
  /** The count of uses of the cache at its last one. */
  usedAt = 0
  /** A row exists in `inodes`. */
  persisted: boolean
  /** A file that gets its first name when it is complete; see namespace/unnamed.ts. */
  isNeverNamed = false
  /** The rows are deleted; only work still in the pipeline may refer to it. */
  gone = false
  content: FileContent | undefined
  directory: Directory | undefined

  constructor(record: InodeRecord, persisted: boolean) {
    super(record)
    this.ino = record.ino
    this.parent = record.parent
    this.nextCookie = record.nextCookie
    this.inline = record.inline
    this.ref = record.ref
    this.unloaded = record.unloaded
    this.holes = record.holes ?? 0
    this.persisted = persisted
    this.dirtySequence = persisted ? -1 : 0
  }

  /** DT_* of the mode. */
  get type(): number {
    return this.mode >>> 12
  }

  get isDirectory(): boolean {
    return this.mode >>> 12 === TYPE.DIRECTORY
  }

  get isFile(): boolean {
    return this.mode >>> 12 === TYPE.FILE
  }
}

/** The fields that stat(2) returns, as of one moment. */
class InodeStat extends StatRecord implements Attributes {
  readonly ino: number
  readonly blocks: number

  constructor(inode: Inode) {
    super(inode)
    this.ino = inode.ino
    this.blocks = inode.isFile ? sectorsOf(inode) : 0
  }
}

export function attributesOf(inode: Inode): Attributes {
  return new InodeStat(inode)
}

/** Sectors of 512 bytes, for whole blocks of 4 KiB, as ext4 counts them. */
function sectorsOf({ size, holes }: Inode): number {
  return (Math.ceil(size / PAGE_BYTES) - holes) * (PAGE_BYTES / 512)
}

/** Whether the object can be dropped and loaded again unchanged. */
export function isDroppable(inode: Inode): boolean {
  return (
    inode.handles === 0 &&
    inode.pins === 0 &&
    !inode.changed &&
    inode.nlink > 0 &&
    inode.content === undefined &&
    inode.directory === undefined
  )
}
