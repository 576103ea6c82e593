/**
 * A path interface to a `Tree`, for transports without inodes. Its limits: names that are not UTF-8 cannot be opened,
 * times have milliseconds, and callers have no identity (files belong to the serving user).
 */
import { DriveError, nameToText } from '../../base/index.js'
import { findPath, findPlace } from '../../files/index.js'
import type { Timestamp } from '../../model/index.js'
import { type AttributeChange, type Attributes, type Caller, type NamePlace, type Tree } from '../../vfs/index.js'
import { errnoOf } from '../protocol/errno.js'
import { PREFERRED_IO_BYTES } from '../protocol/reply.js'

/** `result` is a negative errno, 0, or a byte count. */
export interface PathAnswer {
  readonly result: number
  readonly value?: unknown
}

/** fuse-native's form of stat; times in milliseconds. */
export interface PathStat extends Pick<
  Attributes,
  'mode' | 'uid' | 'gid' | 'size' | 'nlink' | 'ino' | 'rdev' | 'blocks'
> {
  readonly blksize: number
  readonly atime: number
  readonly mtime: number
  readonly ctime: number
}

const UNCHANGED_ID = 0xffff_ffff

export class PathAdapter {
  private readonly tree: Tree
  private readonly caller: Caller
  private readonly handles = new Map<number, { readonly ino: number; readonly handle: number }>()
  private nextFd = 1

  constructor(tree: Tree) {
    this.tree = tree
    const signal = new AbortController().signal
    this.caller = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0, pid: 0, signal }
  }

  /** Never rejects. Operations have fuse-native's names; unknown ones answer ENOSYS. */
  async call(operation: string, args: readonly unknown[]): Promise<PathAnswer> {
    const run = this.operations[operation]
    if (run === undefined) return { result: -38 }
    try {
      return { result: 0, ...(await run(...(args as never[]))) }
    } catch (error) {
      return { result: -errnoOf(error) }
    }
  }

  /** Closes every handle after the mount has ended. */
  end(): void {
    for (const { ino, handle } of this.handles.values()) this.tree.release(ino, handle)
    this.handles.clear()
  }

  private readonly operations: Readonly<
    Record<string, (...args: never[]) => Promise<Partial<PathAnswer> | undefined>>
  > = {
    getattr: async (path: string) => ({ value: toStat(await this.attributes(path)) }),
    fgetattr: async (fd: number) => ({
      value: toStat(await this.tree.getAttributes(this.opened(fd).ino, this.caller)),
    }),
    readlink: async (path: string) => {
      const target = await this.tree.readLink(await this.find(path), this.caller)
      return { value: Buffer.from(target).toString('utf8') }
    },
    readdir: (path: string) => this.list(path),
    open: async (path: string, flags: number) => {
      const ino = await this.find(path)
      const { handle } = await this.tree.open(ino, flags, this.caller)
      return { value: this.keep(ino, handle) }
    },
    create: async (path: string, mode: number) => {
      const { parent, name } = await this.place(path)
      const READ_WRITE = 2
      const made = await this.tree.create(parent, name, mode, READ_WRITE, this.caller)
      return { value: this.keep(made.attributes.ino, made.opened.handle) }
    },
    release: async (fd: number) => {
      const { ino, handle } = this.opened(fd)
      this.handles.delete(fd)
      this.tree.release(ino, handle)
      return undefined
    },
    read: async (fd: number, length: number, offset: number) => {
      const { ino, handle } = this.opened(fd)
      const bytes = Buffer.concat(await this.tree.read(ino, handle, offset, length, this.caller))
      return { result: bytes.length, value: bytes }
    },
    // The kernel has resolved O_APPEND: the offset is exact.
    write: async (fd: number, data: Uint8Array, offset: number) => {
      const { ino, handle } = this.opened(fd)
      return { result: await this.tree.write(ino, handle, offset, data, this.caller) }
    },
    flush: async (fd: number) => {
      const { ino, handle } = this.opened(fd)
      return void (await this.tree.flush(ino, handle, this.caller))
    },
    fsync: async (fd: number, dataOnly: number) =>
      void (await this.tree.sync(this.opened(fd).ino, dataOnly !== 0, this.caller)),
    fsyncdir: async (path: string) => void (await this.tree.sync(await this.find(path), false, this.caller)),
    truncate: (path: string, size: number) => this.change(path, { size }),
    ftruncate: async (fd: number, size: number) => {
      const { ino, handle } = this.opened(fd)
      return void (await this.tree.setAttributes(ino, { size }, handle, this.caller))
    },
    chmod: (path: string, mode: number) => this.change(path, { mode: mode & 0o7777 }),
    chown: (path: string, uid: number, gid: number) =>
      this.change(path, {
        ...(uid >>> 0 === UNCHANGED_ID ? {} : { uid: uid >>> 0 }),
        ...(gid >>> 0 === UNCHANGED_ID ? {} : { gid: gid >>> 0 }),
      }),
    utimens: (path: string, atimeMs: number, mtimeMs: number) =>
      this.change(path, { atime: fromMs(atimeMs), mtime: fromMs(mtimeMs) }),
    mknod: async (path: string, mode: number, device: number) => {
      const { parent, name } = await this.place(path)
      return void (await this.tree.makeNode(parent, name, mode, device, this.caller))
    },
    mkdir: async (path: string, mode: number) => {
      const { parent, name } = await this.place(path)
      return void (await this.tree.makeDirectory(parent, name, mode, this.caller))
    },
    symlink: async (target: string, path: string) => {
      const { parent, name } = await this.place(path)
      return void (await this.tree.makeSymlink(parent, name, Buffer.from(target), this.caller))
    },
    link: async (existing: string, path: string) => {
      const { parent, name } = await this.place(path)
      return void (await this.tree.link(await this.find(existing), parent, name, this.caller))
    },
    unlink: async (path: string) => {
      const { parent, name } = await this.place(path)
      return void (await this.tree.unlink(parent, name, this.caller))
    },
    rmdir: async (path: string) => {
      const { parent, name } = await this.place(path)
      return void (await this.tree.removeDirectory(parent, name, this.caller))
    },
    rename: async (from: string, to: string) => {
      const old = await this.place(from)
      const { parent, name } = await this.place(to)
      return void (await this.tree.rename({ parent: old.parent, name: old.name }, { parent, name }, 0, this.caller))
    },
    statfs: async () => ({ value: await this.tree.statistics(this.caller) }),
    getxattr: async (path: string, name: string) => ({
      value: await this.tree.getXattr(await this.find(path), name, this.caller),
    }),
    setxattr: async (path: string, name: string, value: Uint8Array, flags: number) =>
      void (await this.tree.setXattr(await this.find(path), name, value, flags, this.caller)),
    listxattr: async (path: string) => ({ value: await this.tree.listXattrs(await this.find(path), this.caller) }),
    removexattr: async (path: string, name: string) =>
      void (await this.tree.removeXattr(await this.find(path), name, this.caller)),
  }

  private async change(path: string, change: AttributeChange): Promise<undefined> {
    await this.tree.setAttributes(await this.find(path), change, undefined, this.caller)
  }

  private async list(path: string): Promise<PathAnswer> {
    const ino = await this.find(path)
    const { handle } = await this.tree.openDirectory(ino, this.caller)
    const names: string[] = ['.', '..']
    try {
      const visit = (entry: { name: Parameters<typeof nameToText>[0] }): boolean =>
        names.push(nameToText(entry.name)) > 0
      await this.tree.readDirectory(ino, handle, { cookie: 0, withAttributes: false, visit }, this.caller)
    } finally {
      this.tree.releaseDirectory(ino, handle)
    }
    return { result: 0, value: names }
  }

  private async attributes(path: string): Promise<Attributes> {
    return this.tree.getAttributes(await this.find(path), this.caller)
  }

  private find(path: string): Promise<number> {
    return findPath(this.tree, path, this.caller)
  }

  private place(path: string): Promise<NamePlace> {
    return findPlace(this.tree, path, this.caller)
  }

  private keep(ino: number, handle: number): number {
    const fd = this.nextFd++
    this.handles.set(fd, { ino, handle })
    return fd
  }

  private opened(fd: number): { readonly ino: number; readonly handle: number } {
    const known = this.handles.get(fd)
    if (known === undefined) throw new DriveError('BAD_HANDLE', 'The file handle is not open.')
    return known
  }
}

function toStat(a: Attributes): PathStat {
  return {
    mode: a.mode,
    uid: a.uid,
    gid: a.gid,
    size: a.size,
    nlink: a.nlink,
    ino: a.ino,
    rdev: a.rdev,
    blocks: a.blocks,
    blksize: PREFERRED_IO_BYTES,
    atime: toMs(a.atimeSec, a.atimeNsec),
    mtime: toMs(a.mtimeSec, a.mtimeNsec),
    ctime: toMs(a.ctimeSec, a.ctimeNsec),
  }
}

/** fuse-native does not support times before 1970. */
function toMs(sec: number, nsec: number): number {
  return Math.max(0, sec * 1000 + Math.floor(nsec / 1_000_000))
}

function fromMs(ms: number): Timestamp {
  return { sec: Math.floor(ms / 1000), nsec: Math.floor(ms % 1000) * 1_000_000 }
}
