/** Layouts of reply bodies. Each writer puts one structure at `at` and returns the offset after it. */
import type { Attributes, DirectoryEntry, FilesystemStatistics } from '../../vfs/index.js'
import type { Words } from './words.js'

/** The preferred block size in `stat`. Programs that use stdio write this many bytes at once. */
export const PREFERRED_IO_BYTES = 64 * 1024

/** The kernel's cache time for names and attributes. It is long, because other changes are pushed to the kernel. */
const CACHE_SECONDS = 3600

const ATTR_BYTES = 88
export const ENTRY_BYTES = 40 + ATTR_BYTES
const DIRENT_HEADER_BYTES = 24

/** struct fuse_attr */
function putAttr(out: Words, at: number, a: Attributes): number {
  out.set64(at, a.ino)
  out.set64(at + 8, a.size)
  out.set64(at + 16, a.blocks)
  out.set64(at + 24, a.atimeSec)
  out.set64(at + 32, a.mtimeSec)
  out.set64(at + 40, a.ctimeSec)
  out.setU32(at + 48, a.atimeNsec)
  out.setU32(at + 52, a.mtimeNsec)
  out.setU32(at + 56, a.ctimeNsec)
  out.setU32(at + 60, a.mode)
  out.setU32(at + 64, a.nlink)
  out.setU32(at + 68, a.uid)
  out.setU32(at + 72, a.gid)
  out.setU32(at + 76, a.rdev)
  out.setU32(at + 80, PREFERRED_IO_BYTES)
  out.setU32(at + 84, 0)
  return at + ATTR_BYTES
}

/** struct fuse_attr_out */
export function putAttrOut(out: Words, at: number, a: Attributes): number {
  out.set64(at, CACHE_SECONDS)
  out.set64(at + 8, 0)
  return putAttr(out, at + 16, a)
}

/** struct fuse_entry_out; the generation is 0, because an inode number is never reused. */
export function putEntryOut(out: Words, at: number, a: Attributes): number {
  out.set64(at, a.ino)
  out.set64(at + 8, 0)
  out.set64(at + 16, CACHE_SECONDS)
  out.set64(at + 24, CACHE_SECONDS)
  out.set64(at + 32, 0)
  return putAttr(out, at + 40, a)
}

/** A negative entry_out: the name does not exist, and the kernel may cache that. */
export function putNegativeEntry(out: Words, at: number): number {
  for (let i = 0; i < ENTRY_BYTES; i += 8) out.set64(at + i, 0)
  out.set64(at + 16, CACHE_SECONDS)
  return at + ENTRY_BYTES
}

/** struct fuse_open_out */
export function putOpenOut(out: Words, at: number, handle: number, flags: number): number {
  out.set64(at, handle)
  out.setU32(at + 8, flags)
  out.setU32(at + 12, 0)
  return at + 16
}

/** struct fuse_statx_out with every basic field and the birth time. */
export function putStatxOut(out: Words, at: number, a: Attributes): number {
  const STATX_BASIC_STATS_AND_BTIME = 0xfff
  out.bytes.fill(0, at, at + 288)
  out.set64(at, CACHE_SECONDS)
  const s = at + 32
  out.setU32(s, STATX_BASIC_STATS_AND_BTIME)
  out.setU32(s + 4, PREFERRED_IO_BYTES)
  out.setU32(s + 16, a.nlink)
  out.setU32(s + 20, a.uid)
  out.setU32(s + 24, a.gid)
  out.setU32(s + 28, a.mode & 0xffff)
  out.set64(s + 32, a.ino)
  out.set64(s + 40, a.size)
  out.set64(s + 48, a.blocks)
  putStatxTime(out, s + 64, a.atimeSec, a.atimeNsec)
  putStatxTime(out, s + 80, a.btimeSec, a.btimeNsec)
  putStatxTime(out, s + 96, a.ctimeSec, a.ctimeNsec)
  putStatxTime(out, s + 112, a.mtimeSec, a.mtimeNsec)
  // The kernel's 32-bit encoding of a device number: mmmM MMmm, minor in the low 8 and the high 12 bits.
  out.setU32(s + 128, (a.rdev >>> 8) & 0xfff)
  out.setU32(s + 132, (a.rdev & 0xff) | ((a.rdev >>> 12) & 0xfff00))
  return s + 256
}

function putStatxTime(out: Words, at: number, sec: number, nsec: number): void {
  out.set64(at, sec)
  out.setU32(at + 8, nsec)
}

/** struct fuse_kstatfs */
export function putStatfs(out: Words, at: number, s: FilesystemStatistics): number {
  out.set64(at, s.totalBlocks)
  out.set64(at + 8, s.freeBlocks)
  out.set64(at + 16, s.availableBlocks)
  out.set64(at + 24, s.totalFiles)
  out.set64(at + 32, s.freeFiles)
  out.setU32(at + 40, s.blockSize)
  out.setU32(at + 44, s.maxNameBytes)
  out.setU32(at + 48, s.blockSize)
  for (let i = 52; i < 80; i += 4) out.setU32(at + i, 0)
  return at + 80
}

/** Bytes of a directory entry, padded to a multiple of 8. */
export function direntBytes(nameBytes: number, plus: boolean): number {
  return (((plus ? ENTRY_BYTES : 0) + DIRENT_HEADER_BYTES + nameBytes + 7) >>> 3) << 3
}

/** struct fuse_dirent; a listing continues after this entry at `offset`. */
export function putDirent(
  out: Words,
  at: number,
  { ino, type, name }: Pick<DirectoryEntry, 'ino' | 'type' | 'name'>,
  offset: number,
): number {
  out.set64(at, ino)
  out.set64(at + 8, offset)
  out.setU32(at + 16, name.length)
  out.setU32(at + 20, type)
  const end = at + (((DIRENT_HEADER_BYTES + name.length + 7) >>> 3) << 3)
  out.set64(end - 8, 0) // zeros the padding; the name overwrites the rest
  out.bytes.write(name, at + DIRENT_HEADER_BYTES, 'latin1')
  return end
}

/** struct fuse_direntplus. Without attributes the nodeid is 0; the kernel then sends LOOKUP when it needs the entry. */
export function putDirentPlus(out: Words, at: number, entry: DirectoryEntry, offset: number): number {
  if (entry.attributes === undefined) out.bytes.fill(0, at, at + ENTRY_BYTES)
  else putEntryOut(out, at, entry.attributes)
  return putDirent(out, at + ENTRY_BYTES, entry, offset)
}
