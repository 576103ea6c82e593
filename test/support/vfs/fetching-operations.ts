/** Operations on a tree of another device, each of which needs blocks, chunk lists or directories of the node. */
import { isDriveError } from '../../../src/base/index.js'
import { caller, createFile, find, list, name, readHandle, readInode, writeFile } from './drive.js'
import { plain } from './remote.js'
import { FALLOCATE, OPEN, RENAME, ROOT_INO, SEEK, type Tree } from '../../../src/vfs/tree.js'

const KIB = 1024
const MORE = Buffer.from('more')
let copies = 0

/** What an operation works on. */
export interface Subject {
  readonly tree: Tree
  /** `file`: its rows are here, its blocks are not. */
  readonly file: number
  /** `long`: its chunk list is remote as well. */
  readonly long: number
  /** `sub`: a directory with remote entries. */
  readonly sub: number
  freeze(): Promise<void>
}

/** It may fail with OFFLINE when the node is away. */
export type Operation = (on: Subject) => Promise<void>

/** Opens the file, runs the action, and always closes it, as a program does. */
async function withOpen(
  { tree }: Subject,
  ino: number,
  use: (handle: number) => Promise<unknown>,
  flags: number = OPEN.READ_WRITE,
): Promise<void> {
  const { handle } = await tree.open(ino, flags, caller)
  try {
    await use(handle)
    await tree.flush(ino, handle, caller)
  } finally {
    tree.release(ino, handle)
  }
}

const append = (on: Subject, ino: number, more: Uint8Array = MORE): Promise<void> =>
  withOpen(on, ino, async (handle) => on.tree.write(ino, handle, plain.length, more, caller))

/** By what it does. Each can be repeated. */
export const fetchingOperations: Readonly<Record<string, Operation>> = {
  async read(on) {
    for (const ino of [on.file, on.long]) await readInode(on.tree, ino)
  },
  async 'read in small steps, with prefetch'(on) {
    await withOpen(on, on.file, async (handle) => {
      for (let at = 0; at < plain.length; at += 32 * KIB) await readHandle(on.tree, on.file, handle, at, 32 * KIB)
    })
  },
  async 'read at random places'(on) {
    await withOpen(on, on.long, async (handle) => {
      for (const at of [500_000, 3, 300_000]) await readHandle(on.tree, on.long, handle, at, 4 * KIB)
    })
  },
  async append(on) {
    for (const ino of [on.file, on.long]) await append(on, ino)
  },
  async 'append and sync'(on) {
    await append(on, on.file)
    await on.tree.sync(on.file, false, caller)
  },
  async 'append a lot'(on) {
    await append(on, on.file, Buffer.alloc(200 * KIB, 1))
  },
  async 'write inside and sync'(on) {
    await withOpen(on, on.file, async (handle) => {
      await on.tree.write(on.file, handle, 5, MORE, caller)
      await on.tree.sync(on.file, true, caller)
    })
  },
  async 'write over pages, the last of them in part'(on) {
    await withOpen(on, on.file, async (handle) => {
      await on.tree.write(on.file, handle, 8 * KIB, Buffer.alloc(8 * KIB + 100, 1), caller)
      await on.tree.write(on.file, handle, 4 * KIB, Buffer.alloc(30 * KIB + 100, 1), caller)
    })
  },
  async 'write a stream over existing content'(on) {
    await withOpen(on, on.file, async (handle) => {
      for (let at = 4 * KIB; at < 300 * KIB; at += 128 * KIB)
        await on.tree.write(on.file, handle, at, Buffer.alloc(128 * KIB, 1), caller)
      await on.tree.write(on.file, handle, 401_000, MORE, caller)
    })
  },
  async 'append, write elsewhere, append'(on) {
    await withOpen(on, on.file, async (handle) => {
      await on.tree.write(on.file, handle, plain.length, MORE, caller)
      await on.tree.write(on.file, handle, 100, MORE, caller)
      await on.tree.write(on.file, handle, plain.length + 2 * MORE.length, MORE, caller)
    })
  },
  async truncate(on) {
    for (const ino of [on.file, on.long]) await on.tree.setAttributes(ino, { size: 100_001 }, undefined, caller)
  },
  async 'truncate, then append'(on) {
    await on.tree.setAttributes(on.file, { size: 100_001 }, undefined, caller)
    await withOpen(on, on.file, async (handle) => on.tree.write(on.file, handle, 100_001, MORE, caller))
  },
  async extend(on) {
    await on.tree.setAttributes(on.long, { size: plain.length + 9999 }, undefined, caller)
    await append(on, on.long)
  },
  async 'open to truncate'(on) {
    await withOpen(on, on.long, () => Promise.resolve(), OPEN.READ_WRITE | OPEN.TRUNCATE)
  },
  async 'punch and zero'(on) {
    for (const ino of [on.file, on.long]) {
      await withOpen(on, ino, async (handle) => {
        const mode = FALLOCATE.PUNCH_HOLE | FALLOCATE.KEEP_SIZE
        await on.tree.allocate(ino, handle, { mode, offset: 5, length: 70_000 }, caller)
        await on.tree.allocate(ino, handle, { mode: FALLOCATE.ZERO_RANGE, offset: 200_003, length: 70_000 }, caller)
        await on.tree.allocate(ino, handle, { mode: 0, offset: plain.length, length: 5000 }, caller)
      })
    }
  },
  async 'search for holes'(on) {
    await withOpen(on, on.long, async (handle) => on.tree.seek(on.long, handle, 100, SEEK.HOLE, caller))
  },
  async 'copy a range'(on) {
    const { ino, handle } = await createFile(on.tree, `copy ${String(copies++)}`)
    try {
      await on.tree.write(ino, handle, 0, Buffer.from('small'), caller)
      const from = await on.tree.open(on.long, OPEN.READ_ONLY, caller)
      const source = { ino: on.long, handle: from.handle, offset: 7 }
      const target = { ino, handle, offset: 3 }
      await Promise.resolve(on.tree.copyRange(source, target, plain.length, caller)).finally(() =>
        on.tree.release(on.long, from.handle),
      )
    } finally {
      on.tree.release(ino, handle)
    }
  },
  async 'copy into'(on) {
    const ino = await writeFile(on.tree, `source ${String(copies++)}`, Buffer.alloc(300 * KIB, 3))
    await withOpen(on, ino, async (source) => {
      await withOpen(on, on.long, async (target) => {
        const from = { ino, handle: source, offset: 0 }
        await on.tree.copyRange(from, { ino: on.long, handle: target, offset: 10 }, 300 * KIB, caller)
      })
    })
  },
  async 'look up, list, create and link in a directory'(on) {
    await find(on.tree, 'other', on.sub)
    await list(on.tree, on.sub, true)
    await on.tree.makeDirectory(on.sub, name('made'), 0o755, caller)
    await on.tree.link(on.file, on.sub, name('second'), caller)
    await on.tree.makeSymlink(on.sub, name('to'), Buffer.from('there'), caller)
  },
  async 'list a directory'(on) {
    await list(on.tree, on.sub, false)
  },
  async 'create in a directory'(on) {
    await writeFile(on.tree, 'new', MORE, on.sub)
  },
  async 'move into a directory'(on) {
    await on.tree.rename({ parent: ROOT_INO, name: name('file') }, { parent: on.sub, name: name('moved') }, 0, caller)
    await on.tree.rename({ parent: on.sub, name: name('moved') }, { parent: ROOT_INO, name: name('file') }, 0, caller)
  },
  async 'replace a directory'(on) {
    await on.tree.makeDirectory(ROOT_INO, name('empty'), 0o755, caller)
    try {
      await on.tree.rename(
        { parent: ROOT_INO, name: name('empty') },
        { parent: ROOT_INO, name: name('sub') },
        0,
        caller,
      )
    } catch (error) {
      if (!isDriveError(error, 'NOT_EMPTY')) throw error
    } finally {
      await on.tree.removeDirectory(ROOT_INO, name('empty'), caller)
    }
  },
  async 'remove from a directory'(on) {
    await on.tree.unlink(on.sub, name('other'), caller)
    await on.tree.removeDirectory(ROOT_INO, name('sub'), caller)
  },
  async 'append, then rename over another'(on) {
    await append(on, on.file)
    await on.tree.rename({ parent: ROOT_INO, name: name('file') }, { parent: ROOT_INO, name: name('long') }, 0, caller)
    await on.tree.syncAll(caller)
  },
  async 'append, then exchange'(on) {
    await append(on, on.file)
    await on.tree.rename(
      { parent: ROOT_INO, name: name('file') },
      { parent: ROOT_INO, name: name('long') },
      RENAME.EXCHANGE,
      caller,
    )
    await on.tree.syncAll(caller)
  },
  async 'append, then freeze'(on) {
    await append(on, on.file)
    await append(on, on.long)
    await on.freeze()
  },
  async 'append, and leave it to the background'(on) {
    await withOpen(on, on.file, async (handle) => {
      await on.tree.write(on.file, handle, plain.length, MORE, caller)
      await on.tree.write(on.file, handle, plain.length + 3 * KIB, MORE, caller)
      await new Promise((resolve) => setTimeout(resolve, 2200))
    })
  },
}
