/** Open files of the in-memory tree: reading, writing, allocating, seeking, copying. */
import { DriveError } from '../../../../src/base/index.js'
import { FALLOCATE, OPEN, SEEK, type AllocatedRange, type Opened } from '../../../../src/vfs/index.js'
import type { MemoryInode } from './memory-inode.js'
import { MAX_FILE_BYTES, MemoryInodes } from './memory-inodes.js'
import type { SparseBytes } from './sparse-bytes.js'

export class MemoryFiles extends MemoryInodes {
  private readonly handles = new Map<number, { readonly ino: number; readonly flags: number }>()
  private nextHandle = 1

  get handleCount(): number {
    return this.handles.size
  }

  protected openHandle(inode: MemoryInode, flags: number): Opened {
    const handle = this.nextHandle++
    this.handles.set(handle, { ino: inode.ino, flags })
    inode.handles++
    return { handle, keepCache: true }
  }

  protected closeHandle(handle: number): void {
    const known = this.handles.get(handle)
    if (known === undefined) return
    this.handles.delete(handle)
    const inode = this.inode(known.ino)
    inode.handles--
    this.dropIfUnused(inode)
  }

  open(ino: number, flags: number): Opened {
    const inode = this.file(ino)
    if ((flags & OPEN.TRUNCATE) !== 0) this.resize(inode, 0)
    return this.openHandle(inode, flags)
  }

  release(_ino: number, handle: number): void {
    this.closeHandle(handle)
  }

  flush(): void {}

  read(ino: number, _handle: number, offset: number, size: number): readonly Uint8Array[] {
    const inode = this.file(ino)
    inode.atime = this.now()
    return inode.bytes.read(offset, Math.max(0, Math.min(size, inode.size - offset)))
  }

  write(ino: number, _handle: number, offset: number, data: Uint8Array): number {
    const inode = this.file(ino)
    if (offset + data.length > MAX_FILE_BYTES) throw new DriveError('FILE_TOO_LARGE', 'The file would be too large.')
    inode.bytes.write(offset, data)
    inode.size = Math.max(inode.size, offset + data.length)
    inode.mtime = inode.ctime = this.now()
    return data.length
  }

  allocate(ino: number, _handle: number, { mode, offset, length }: AllocatedRange): void {
    const inode = this.file(ino)
    const end = offset + length
    const keepSize = (mode & FALLOCATE.KEEP_SIZE) !== 0
    const punch = (mode & FALLOCATE.PUNCH_HOLE) !== 0
    const zero = (mode & FALLOCATE.ZERO_RANGE) !== 0
    if ((mode & ~(FALLOCATE.KEEP_SIZE | FALLOCATE.PUNCH_HOLE | FALLOCATE.ZERO_RANGE)) !== 0 || (punch && !keepSize)) {
      throw new DriveError('NOT_SUPPORTED', 'This kind of allocation is not supported.')
    }
    if (end > MAX_FILE_BYTES) throw new DriveError('FILE_TOO_LARGE', 'The file would be too large.')
    if (punch || zero) inode.bytes.clear(offset, Math.min(end, inode.size))
    if (!keepSize && end > inode.size) inode.size = end
    inode.mtime = inode.ctime = this.now()
  }

  seek(ino: number, _handle: number, offset: number, whence: number): number {
    const inode = this.file(ino)
    if (whence !== SEEK.DATA && whence !== SEEK.HOLE) throw new DriveError('INVALID', 'Unknown kind of seek.')
    const found = inode.bytes.find(whence === SEEK.DATA ? 'data' : 'hole', offset, inode.size)
    if (found === undefined) throw new DriveError('NO_SUCH_ADDRESS', 'The offset is past the last data or hole.')
    return found
  }

  copyRange(
    from: { ino: number; handle: number; offset: number },
    to: { ino: number; handle: number; offset: number },
    length: number,
  ): number {
    const source: MemoryInode & { bytes: SparseBytes } = this.file(from.ino)
    const count = Math.max(0, Math.min(length, source.size - from.offset))
    const bytes = Buffer.concat(source.bytes.read(from.offset, count))
    this.write(to.ino, to.handle, to.offset, bytes)
    return count
  }
}
