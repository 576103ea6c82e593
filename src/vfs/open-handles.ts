/**
 * Open files and directories: handles, including those of a previous daemon, opening with truncation, and the work
 * after the last close.
 */
import { DriveError } from '../base/index.js'
import { setFileSize, type AttributeParts } from './inodes/attributes.js'
import { Handles, type DirectoryHandle, type FileHandle } from './inodes/handles.js'
import type { Inode } from './inodes/inode.js'
import { directoryOf } from './namespace/require.js'
import { stageClosed, type StageParts } from './staging/stage.js'
import { OPEN, type Caller, type Maybe, type Opened } from './tree.js'

/** The parts that opening and closing use. */
export type OpenHandleParts = AttributeParts & StageParts

export class OpenHandles {
  readonly handles = new Handles()
  readonly #parts: OpenHandleParts

  /** @param highestHandle of a mount that is taken over */
  constructor(parts: OpenHandleParts, highestHandle: number) {
    this.#parts = parts
    this.handles.adoptedBelow = highestHandle + 1
    this.handles.next = highestHandle + 1
  }

  /** A handle from before a take-over is opened by its inode. Throws BAD_HANDLE. */
  file(ino: number, handle: number): FileHandle {
    if (handle < this.handles.adoptedBelow) this.handles.adopt(handle, () => this.#parts.inodes.get(ino))
    return this.handles.file(handle)
  }

  directory(ino: number, handle: number): DirectoryHandle {
    if (handle < this.handles.adoptedBelow) this.handles.adopt(handle, () => directoryOf(this.#parts, ino))
    return this.handles.directory(handle)
  }

  /** open(2), with O_TRUNC. Throws IS_A_DIRECTORY. */
  open(ino: number, flags: number, caller: Caller): Maybe<Opened> {
    const inode = this.#parts.inodes.get(ino)
    if (inode.isDirectory) throw new DriveError('IS_A_DIRECTORY', 'Is a directory.')
    const opened = this.opened(inode, flags)
    if ((flags & OPEN.TRUNCATE) === 0 || !inode.isFile || (flags & OPEN.ACCESS_MODE) === OPEN.READ_ONLY) return opened
    try {
      const cut = setFileSize(this.#parts, inode, 0, caller)
      if (!(cut instanceof Promise)) return opened
      return cut.then(
        () => opened,
        (error: unknown) => {
          this.close(opened.handle)
          throw error
        },
      )
    } catch (error) {
      this.close(opened.handle)
      throw error
    }
  }

  /** A handle of a file that exists already, its content untouched. */
  opened(inode: Inode, flags: number): Opened {
    return { handle: this.handles.openFile(inode, flags), keepCache: true }
  }

  openDirectory(ino: number): Opened {
    return { handle: this.handles.openDirectory(directoryOf(this.#parts, ino)), keepCache: true }
  }

  close(handle: number): void {
    const inode = this.handles.closeFile(handle)
    if (inode !== undefined) this.closed(inode)
  }

  closeDirectory(handle: number): void {
    const inode = this.handles.closeDirectory(handle)
    if (inode !== undefined) this.#parts.inodes.removeIfUnused(inode)
  }

  /** The mount has ended: handles of a previous daemon will not be closed by the kernel. */
  closeAdopted(): void {
    for (const inode of this.handles.closeAdopted()) this.closed(inode)
    this.handles.adoptedBelow = 0
  }

  /** One handle of the inode was closed. After the last one its bytes are staged, or it is removed. */
  closed(inode: Inode): void {
    if (inode.handles > 0) return
    if (inode.nlink > 0 && !inode.isDirectory) stageClosed(this.#parts, inode)
    this.#parts.inodes.removeIfUnused(inode)
  }
}
