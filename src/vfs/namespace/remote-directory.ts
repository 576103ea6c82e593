/** Directories whose entries are only on a node: loaded whole when first needed, shared by everyone who waits. */
import { unlessAborted, type FileId, type PlainName } from '../../base/index.js'
import { be64, readBe64 } from '../../storage/kv/index.js'
import {
  chunkKey,
  dentryKey,
  encodeChunk,
  encodeDentry,
  linkKey,
  TYPE,
  type RemoteChild,
} from '../../tree-state/index.js'
import { FIRST_COOKIE } from '../inodes/inode-table.js'
import type { Inode } from '../inodes/inode.js'
import type { Caller } from '../tree.js'
import type { Volume } from '../volume.js'

/** Loads directories; at most one request a directory at a time. */
export class RemoteDirectories {
  readonly #volume: Volume
  readonly #loading = new Map<number, Promise<void>>()

  constructor(volume: Volume) {
    this.#volume = volume
  }

  /** Rejects with OFFLINE without a node, and with ABORTED for a caller that was interrupted. */
  load(inode: Inode, caller: Caller | undefined): Promise<void> {
    let loading = this.#loading.get(inode.ino)
    if (loading === undefined) {
      inode.pins++
      loading = this.#load(inode).finally(() => {
        inode.pins--
        this.#loading.delete(inode.ino)
      })
      loading.catch(() => {
        // Every caller that waits gets the failure; with none left it is nobody's.
      })
      this.#loading.set(inode.ino, loading)
    }
    return caller === undefined ? loading : unlessAborted(loading, caller.signal)
  }

  async #load(inode: Inode): Promise<void> {
    const ref = inode.ref
    if (!inode.unloaded || ref === undefined) return
    const children = await this.#volume.remote.loadDirectory(ref)
    if (!inode.unloaded || inode.gone) return
    let cookie = Math.max(FIRST_COOKIE, inode.nextCookie)
    for (const child of children) putChild(this.#volume, inode.ino, child, cookie++)
    inode.nextCookie = cookie
    inode.unloaded = false
    this.#volume.directories.drop(inode)
    this.#volume.inodes.markUnwritten(inode)
  }
}

function putChild(volume: Volume, parent: number, child: RemoteChild, cookie: number): void {
  const { tables } = volume
  const { record } = child
  const isShared = record.nlink > 1 && record.mode >>> 12 !== TYPE.DIRECTORY
  const known = isShared ? inoOf(volume, record.fileId) : undefined
  const ino = known ?? volume.inodes.nextIno()
  const hash = volume.directories.hashOf(child.name)
  if (known === undefined) {
    // An entry is a name; a record without one would be removed as soon as nobody looks.
    volume.inodes.putLoaded({ ...record, nlink: Math.max(1, record.nlink), ino, parent, nextCookie: FIRST_COOKIE })
    for (const chunk of child.chunks ?? []) {
      tables.chunks.put(chunkKey(ino, chunk.offset), encodeChunk({ ...chunk, born: 0 }))
    }
    if (isShared) tables.ids.put(record.fileId, be64(ino))
  } else adoptName(volume, known, parent)
  // Of several names: with the others gone by now, the one name of a file has no row.
  const nlink = known === undefined ? record.nlink : volume.inodes.get(known).nlink
  if (isShared && nlink > 1) tables.links.put(linkKey(ino, parent, hash), Buffer.of(1))
  putName(volume, parent, hash, child.name, ino, record.mode >>> 12, cookie)
}

function putName(
  volume: Volume,
  parent: number,
  hash: Uint8Array,
  name: PlainName,
  ino: number,
  type: number,
  cookie: number,
): void {
  volume.tables.dentries.put(dentryKey(parent, hash), encodeDentry({ name, ino, type, cookie }))
}

/** A hard link known from elsewhere, whose other known names may be gone by now. */
function adoptName(volume: Volume, ino: number, parent: number): void {
  const inode = volume.inodes.get(ino)
  if (inode.parent !== 0) return
  inode.parent = parent
  volume.inodes.markUnwritten(inode)
}

function inoOf(volume: Volume, fileId: FileId): number | undefined {
  const row = volume.tables.ids.get(fileId)
  return row === undefined ? undefined : readBe64(row)
}
