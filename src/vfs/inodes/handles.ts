/** Open files and directories by number. */
import { DriveError } from '../../base/index.js'
import type { DentryRecord } from '../../tree-state/index.js'
import type { Inode } from './inode.js'
import { OPEN } from '../tree.js'

export interface FileHandle {
  readonly inode: Inode
  readonly flags: number
  /** The end of the last read, and the number of sequential reads up to it. */
  nextRead: number
  sequentialReads: number
  /** Prefetch was requested up to this offset. */
  aheadTo: number
  /** A read of this sequential run had to wait for the disk or a node. */
  isCold: boolean
}

export interface DirectoryHandle {
  readonly inode: Inode
  /** The listing as of the first read from its start. */
  listing: readonly DentryRecord[] | undefined
}

export class Handles {
  readonly #files = new Map<number, FileHandle>()
  readonly #directories = new Map<number, DirectoryHandle>()
  /** Adopted by number: the kernel's close may never come when the mount ends, so the tree closes them. */
  readonly #adopted = new Set<number>()
  /** Numbers below it may belong to a previous daemon. */
  adoptedBelow = 0
  /** The next number. */
  next = 1

  openFile(inode: Inode, flags: number): number {
    inode.handles++
    this.#files.set(this.next, { inode, flags, nextRead: 0, sequentialReads: 0, aheadTo: 0, isCold: false })
    return this.next++
  }

  openDirectory(inode: Inode): number {
    inode.handles++
    this.#directories.set(this.next, { inode, listing: undefined })
    return this.next++
  }

  /** Throws BAD_HANDLE. */
  file(handle: number): FileHandle {
    const found = this.#files.get(handle)
    if (found === undefined) throw badHandle()
    return found
  }

  directory(handle: number): DirectoryHandle {
    const found = this.#directories.get(handle)
    if (found === undefined) throw badHandle()
    return found
  }

  /** Adopts a file or directory opened before this daemon took the mount over: the kernel keeps using its number. */
  adopt(handle: number, find: () => Inode): void {
    if (handle >= this.adoptedBelow || this.#files.has(handle) || this.#directories.has(handle)) return
    const inode = find()
    inode.handles++
    this.#adopted.add(handle)
    if (inode.isDirectory) this.#directories.set(handle, { inode, listing: undefined })
    else {
      const sequential = { nextRead: 0, sequentialReads: 0, aheadTo: 0, isCold: false }
      this.#files.set(handle, { inode, flags: OPEN.READ_WRITE, ...sequential })
    }
  }

  /**
   * Closes the adopted handles that nobody else will close. A later use of one adopts it again.
   * @param isMeant of which inodes
   */
  *closeAdopted(isMeant: (inode: Inode) => boolean = () => true): Generator<Inode> {
    for (const handle of [...this.#adopted]) {
      const known = this.#files.get(handle) ?? this.#directories.get(handle)
      if (known !== undefined && !isMeant(known.inode)) continue
      const inode = this.closeFile(handle) ?? this.closeDirectory(handle)
      if (inode !== undefined) yield inode
    }
  }

  closeFile(handle: number): Inode | undefined {
    this.#adopted.delete(handle)
    return close(this.#files, handle)
  }

  closeDirectory(handle: number): Inode | undefined {
    this.#adopted.delete(handle)
    return close(this.#directories, handle)
  }

  get openCount(): number {
    return this.#files.size + this.#directories.size
  }
}

/** Throws BAD_HANDLE when the handle was opened for reading only. */
export function requireWritable(handle: FileHandle): void {
  if ((handle.flags & OPEN.ACCESS_MODE) === OPEN.READ_ONLY) throw badHandle()
}

function close(table: Map<number, { readonly inode: Inode }>, handle: number): Inode | undefined {
  const found = table.get(handle)
  if (found === undefined) return undefined
  table.delete(handle)
  found.inode.handles--
  return found.inode
}

function badHandle(): DriveError {
  return new DriveError('BAD_HANDLE', 'The file is not open for this kind of access.')
}
