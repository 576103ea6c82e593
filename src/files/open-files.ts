/** Opens `Files` over one tree. It runs on the drive thread, like the tree. */
import { DriveError, MIB, type Random } from '../base/index.js'
import {
  OPEN,
  type Caller,
  type Change,
  type Identities,
  type Invalidation,
  type NamePlace,
  type Tree,
  type UnnamedFiles,
} from '../vfs/index.js'
import { makeDirectoryAt, namePlaceOf, remove, moveEntry, type Changing } from './changing.js'
import type { Files, FilePlace } from './contract.js'
import { EventFeed } from './event-feed.js'
import { OpenNumbers } from './handles.js'
import { listPage } from './listing.js'
import { Locator } from './locate.js'
import { Origins } from './origins.js'
import { findPlace } from './tree-paths.js'
import { Uploads } from './uploads.js'

const MOST_READ_BYTES = MIB
const MOST_EVENTS = 1000
const MOST_WAIT_MS = 60_000

export interface FilesOptions {
  readonly tree: Tree
  readonly unnamed: UnnamedFiles
  readonly identities: Identities
  /** The tree's changes, in order; see `Changes`. @returns a function that stops listening */
  readonly listen: (listener: (changes: readonly Change[]) => void) => () => void
  /** Sends an invalidation to the kernel for every mount. */
  readonly invalidate: (what: Invalidation) => void
  readonly random: Random
  /** The owner of new files and directories. */
  readonly uid: number
  readonly gid: number
}

export interface FilesSession extends Files {
  /** Closes open files, abandons unfinished uploads, and answers all readers that wait for events. */
  closeAll(): Promise<void>
}

export function openFiles(options: FilesOptions): FilesSession {
  const { tree, unnamed, identities, listen, invalidate, random, uid, gid } = options
  const caller: Caller = { uid, gid, pid: 0, signal: new AbortController().signal }
  const locator = new Locator(tree, identities, caller)
  const uploads = new Uploads({ tree, unnamed, identities }, caller)
  const reading = new OpenNumbers<{ readonly ino: number; readonly handle: number }>()
  const origins = new Origins()
  const feed = new EventFeed(listen, identities, origins, random)
  const forget = ({ parent, name }: NamePlace): void => {
    invalidate({ kind: 'entry', parent, name })
    invalidate({ kind: 'inode', ino: parent, attributesOnly: false })
  }
  const changing: Changing = { tree, identities, origins, caller, forget }
  const nameOf = async (place: FilePlace): Promise<NamePlace> =>
    namePlaceOf(changing, 'path' in place ? place : { ino: await locator.inoOf(place) })

  return {
    stat: async (place) => locator.info(await locator.inoOf(place)),

    list: async (place, request) => listPage(tree, locator, await locator.inoOf(place), request, caller),

    async open(place) {
      const ino = await locator.inoOf(place)
      const { handle } = await tree.open(ino, OPEN.READ_ONLY, caller)
      try {
        return { handle: reading.add({ ino, handle }), info: await locator.info(ino) }
      } catch (error) {
        tree.release(ino, handle)
        throw error
      }
    },

    async read(number, offset, size) {
      const { ino, handle } = reading.get(number)
      if (!Number.isSafeInteger(offset) || offset < 0 || !Number.isSafeInteger(size) || size < 0) {
        throw new DriveError('INVALID', 'An offset and a size must be whole numbers, 0 or greater.')
      }
      const views = await tree.read(ino, handle, offset, Math.min(size, MOST_READ_BYTES), caller)
      // The tree's views are valid only during this turn. A copy can be transferred to another thread.
      const bytes = new Uint8Array(views.reduce((sum, view) => sum + view.length, 0))
      let at = 0
      for (const view of views) {
        bytes.set(view, at)
        at += view.length
      }
      return bytes
    },

    async close(number) {
      const open = reading.take(number)
      if (open !== undefined) tree.release(open.ino, open.handle)
    },

    beginWrite: async (path, condition, origin) =>
      uploads.begin(await findPlace(tree, path, caller), condition, origin),

    append: (upload, bytes) => uploads.append(upload, bytes),

    async commit(upload) {
      const { target, ino } = await uploads.commit(upload, (place, origin) => origins.note('placed', place, origin))
      forget(target)
      return locator.info(ino)
    },

    abandon: (upload) => uploads.abandon(upload),

    makeDirectory: async (path, { parents }, origin) =>
      locator.info(await makeDirectoryAt(changing, path, parents, origin)),

    async rename(from, to, request, origin) {
      const source = await nameOf(from)
      const there = await tree.lookup(source.parent, source.name, caller)
      if (there === undefined) throw new DriveError('NOT_FOUND', 'There is no file at that path.')
      await moveEntry(changing, source, to, request, origin)
      return locator.info(there.ino)
    },

    remove: async (place, { recursive }, origin, signal) =>
      remove(
        { ...changing, caller: { ...caller, signal: signal ?? caller.signal } },
        await nameOf(place),
        recursive,
        origin,
      ),

    events: async (from, { limit, waitMs }, signal) =>
      feed.since(from, Math.min(Math.max(1, limit), MOST_EVENTS), Math.min(waitMs, MOST_WAIT_MS), signal),

    async closeAll() {
      feed.close()
      for (const { ino, handle } of reading.takeAll()) tree.release(ino, handle)
      uploads.close()
    },
  }
}
