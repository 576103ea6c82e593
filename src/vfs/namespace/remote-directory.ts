/**
 * Directories whose entries are only on a node. They are loaded at first use; concurrent callers share one load.
 * Entries go into the tables one page at a time, and commits between pages bound the memory. The position of the load
 * is in the same commit as the entries, so it continues after a failure or a crash. The entries become visible only
 * when the directory is complete.
 */
import { MIB, unlessAborted, type FileId, type PlainName } from '../../base/index.js'
import { isDirectory } from '../../model/index.js'
import { be64, pagesOf, readBe64 } from '../../storage/kv/index.js'
import {
  chunkKey,
  decodeDentry,
  dentryKey,
  encodeChunk,
  encodeDentry,
  linkKey,
  rowsOf,
  TYPE,
  type RemoteChild,
  type RemoteSource,
} from '../../tree-state/index.js'
import { holesBetween } from '../content/holes/data-blocks.js'
import { EMPTY_DIRECTORY_LINKS, namedLinkCount } from './link-count.js'
import { addLink } from '../inodes/links.js'
import { FIRST_COOKIE } from '../inodes/new-record.js'
import type { Inode } from '../inodes/inode.js'
import type { Invalidations } from '../inodes/invalidations.js'
import { foundName, noteUnreadableEntries, removeNameless } from './nameless.js'
import { loadedUpTo, writeLoadedUpTo } from '../inodes/state-rows.js'
import type { Caller } from '../tree.js'
import type { TreeState } from '../inodes/tree-state.js'
import type { InodeTable } from '../inodes/inode-table.js'
import type { Directories } from '../namespace/directories.js'

/** The parts that loading a directory uses. */
export interface RemoteDirectoryParts {
  readonly state: TreeState
  readonly inodes: InodeTable
  readonly directories: Directories
  readonly remote: Pick<RemoteSource, 'loadDirectory'>
  readonly committer: { commit(): Promise<void> }
  readonly invalidations: Pick<Invalidations, 'send'>
}

/** Loads directories; at most one request per directory at a time. */
export class RemoteDirectories {
  readonly #parts: RemoteDirectoryParts
  readonly #loading = new Map<number, Promise<void>>()
  #keepsNumbers = false

  constructor(parts: RemoteDirectoryParts) {
    this.#parts = parts
  }

  /**
   * From now on, the inode numbers of a loaded directory are durable before the entries become visible, because the
   * kernel may outlive this daemon.
   */
  keepNumbers(): void {
    this.#keepsNumbers = true
  }

  /** @throws OFFLINE without a node, and ABORTED for a caller that was interrupted */
  load(inode: Inode, caller: Caller | undefined): Promise<void> {
    let loading = this.#loading.get(inode.ino)
    if (loading === undefined) {
      inode.pins++
      loading = this.#load(inode).finally(() => {
        inode.pins--
        this.#loading.delete(inode.ino)
      })
      loading.catch(() => {
        // Every waiting caller gets the failure. If none is left, nobody needs it.
      })
      this.#loading.set(inode.ino, loading)
    }
    return caller === undefined ? loading : unlessAborted(loading, caller.signal)
  }

  async #load(inode: Inode): Promise<void> {
    const ref = inode.ref
    if (!inode.unloaded || ref === undefined) return
    const { state, inodes, directories, remote, committer } = this.#parts
    let after = loadedUpTo(state, inode.ino)
    let subdirectories = after === undefined ? 0 : await countSubdirectories(state, inode.ino)
    for (;;) {
      const { children, isLast, upTo, hasUnreadable } = await remote.loadDirectory({ ref, after })
      if (!inode.unloaded || inode.gone) return
      if (hasUnreadable === true) noteUnreadableEntries(state)
      let cookie = Math.max(FIRST_COOKIE, inode.nextCookie)
      for (const child of children) {
        putChild(this.#parts, inode.ino, child, cookie++)
        if (isDirectory(child.record)) subdirectories++
      }
      inode.nextCookie = cookie
      after = upTo ?? children.at(-1)?.name
      inodes.markUnwritten(inode)
      if (isLast || after === undefined) break
      writeLoadedUpTo(state, inode.ino, after)
      if (state.pendingBytes > MOST_PENDING_BYTES) await committer.commit()
    }
    writeLoadedUpTo(state, inode.ino, undefined)
    inode.unloaded = false
    state.counters.unloadedDirectories--
    this.#setLinks(inode, EMPTY_DIRECTORY_LINKS + subdirectories)
    directories.drop(inode)
    await removeNameless(this.#parts)
    if (this.#keepsNumbers) await committer.commit()
  }

  /** The kernel may have the published count, which is wrong in rare cases. */
  #setLinks(inode: Inode, nlink: number): void {
    if (inode.nlink === nlink) return
    inode.nlink = nlink
    this.#parts.invalidations.send({ kind: 'inode', ino: inode.ino, attributesOnly: true })
  }
}

/** The most rows in memory before a commit. */
const MOST_PENDING_BYTES = 8 * MIB

function putChild(parts: RemoteDirectoryParts, parent: number, child: RemoteChild, cookie: number): void {
  const { tables } = parts.state
  const { record } = child
  const isFolder = isDirectory(record)
  const isShared = child.isShared === true && !isFolder
  const known = isShared ? inoOf(parts, record.fileId) : undefined
  const ino = known ?? parts.inodes.nextIno()
  const hash = parts.directories.hashOf(child.name)
  if (known === undefined) {
    // The entry is a name. A record with nlink 0 would be removed as soon as it is unused.
    const nlink = isShared || isFolder ? namedLinkCount(record) : 1
    parts.inodes.putLoaded({
      ...record,
      holes: holesOf(child),
      nlink,
      ino,
      parent,
      nextCookie: FIRST_COOKIE,
    })
    for (const chunk of child.chunks ?? []) {
      tables.chunks.put(chunkKey(ino, chunk.offset), encodeChunk({ ...chunk, born: 0 }))
    }
    if (isShared) tables.ids.put(record.fileId, be64(ino))
    // A file with one name has no link row.
    if (isShared && nlink > 1) tables.links.put(linkKey(ino, parent, hash), Buffer.of(1))
  } else adoptName(parts, known, parent, child.name)
  const dentry = { name: child.name, ino, type: record.mode >>> 12, cookie }
  tables.dentries.put(dentryKey(parent, hash), encodeDentry(dentry))
}

/** A long chunk list is loaded with the content; its holes are counted then. */
function holesOf({ record, chunks }: RemoteChild): number {
  const isKnown = record.mode >>> 12 === TYPE.FILE && record.inline === undefined && record.ref === undefined
  return isKnown ? holesBetween(record.size, chunks ?? []) : 0
}

/** A hard link known from another directory; its other known names may be gone by now. */
function adoptName(parts: RemoteDirectoryParts, ino: number, parent: number, name: PlainName): void {
  const inode = parts.inodes.get(ino)
  // The published count was too low: each of two names must keep the file.
  if (inode.nlink === 1 && inode.parent !== 0) addLink(parts, inode, parent, name)
  else {
    if (inode.nlink > 1)
      parts.state.tables.links.put(linkKey(ino, parent, parts.directories.hashOf(name)), Buffer.of(1))
    foundName(parts.state, ino)
    if (inode.parent !== 0) return
    inode.parent = parent
  }
  parts.inodes.markUnwritten(inode)
}

/** Of a directory whose load was interrupted: those that are in the tables. */
async function countSubdirectories({ tables }: TreeState, ino: number): Promise<number> {
  let count = 0
  for (const rows of pagesOf(tables.dentries, rowsOf(ino))) {
    for (const [, value] of rows) if (decodeDentry(value).type === TYPE.DIRECTORY) count++
    await new Promise((resolve) => setImmediate(resolve))
  }
  return count
}

function inoOf(parts: RemoteDirectoryParts, fileId: FileId): number | undefined {
  const row = parts.state.tables.ids.get(fileId)
  return row === undefined ? undefined : readBe64(row)
}
