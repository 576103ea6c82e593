/** A node with a small tree, for tests of data that is not on this machine. */
import { DriveError, type Digest } from '../../../src/base/index.js'
import { createCore } from '../../../src/pipeline/index.js'
import type {
  ChunkRecord,
  DirectoryPage,
  InodeRecord,
  NodeRef,
  RemoteChild,
  RemoteSource,
} from '../../../src/tree-state/index.js'
import { contentKeys, name } from './drive.js'

const core = createCore()
/** The content of `file` and `long`. */
export const plain = Buffer.alloc(600 * 1024 + 100)
for (let i = 0; i + 4 <= plain.length; i += 4) plain.writeUInt32LE((i * 2654435761) >>> 0, i)

export const ref = (of: number): NodeRef => ({ digest: Buffer.alloc(32, of), key: Buffer.alloc(32, of) })

/** An inode's row, as loaded from a node. */
export function record(mode: number, fields: Partial<InodeRecord> = {}): InodeRecord {
  return {
    ino: 0,
    fileId: Buffer.alloc(16, 1),
    mode,
    uid: 1,
    gid: 1,
    nlink: 1,
    rdev: 0,
    size: 0,
    atimeSec: 1,
    atimeNsec: 0,
    mtimeSec: 2,
    mtimeNsec: 3,
    ctimeSec: 4,
    ctimeNsec: 5,
    btimeSec: 6,
    btimeNsec: 7,
    parent: 0,
    nextCookie: 0,
    fixedChunks: false,
    inline: undefined,
    ref: undefined,
    unloaded: false,
    xattrs: [],
    ...fields,
  }
}

/** A node with a small tree: `file` (inline chunks), `long` (separate chunk list), `linked` here and in `sub`. */
export interface RemoteWorld {
  readonly source: RemoteSource
  /** The requests, in order. */
  readonly asked: string[]
  readonly setOnline: (online: boolean) => void
  /** Makes one fetch fail, after this many successful ones. */
  readonly failAfter: (fetches: number) => void
  /** Whether that fetch has failed. */
  readonly hasFailed: boolean
}

export function world(): RemoteWorld {
  const blocks = new Map<string, Uint8Array>()
  const chunks: Omit<ChunkRecord, 'born'>[] = []
  let from = 0
  for (const end of core.cut(plain, 'content-defined', true, contentKeys)) {
    const { sealed, digest, key } = core.sealLeaf(plain.subarray(from, end), contentKeys)
    blocks.set(Buffer.from(digest).toString('hex'), sealed)
    chunks.push({ offset: from, length: end - from, skip: 0, digest, key })
    from = end
  }
  const shared = record(0o100644, { fileId: Buffer.alloc(16, 7), nlink: 2, size: 2, inline: Buffer.from('hi') })
  const directories = new Map<number, RemoteChild[]>([
    [
      1,
      [
        { name: name('file'), record: record(0o100644, { size: plain.length, fileId: Buffer.alloc(16, 2) }), chunks },
        {
          name: name('long'),
          record: record(0o100644, { size: plain.length, ref: ref(50), unloaded: true, fileId: Buffer.alloc(16, 3) }),
          chunks: undefined,
        },
        { name: name('linked'), record: shared, chunks: undefined, isShared: true },
        {
          name: name('sub'),
          record: record(0o040755, { nlink: 2, ref: ref(2), unloaded: true, fileId: Buffer.alloc(16, 4) }),
          chunks: undefined,
        },
      ],
    ],
    [2, [{ name: name('other'), record: shared, chunks: undefined, isShared: true }]],
  ])
  const asked: string[] = []
  let online = true
  let failsAt = -1
  let hasFailed = false
  const answer = async <T>(what: string, value: () => T): Promise<T> => {
    const isFailing = asked.length === failsAt
    asked.push(what)
    await new Promise((resolve) => setTimeout(resolve, 5))
    if (isFailing) hasFailed = true
    if (!online || isFailing) throw new DriveError('OFFLINE', 'No node is connected.')
    return value()
  }
  return {
    asked,
    get hasFailed() {
      return hasFailed
    },
    setOnline: (is) => {
      online = is
    },
    failAfter: (fetches) => {
      failsAt = asked.length + fetches
      hasFailed = false
    },
    source: {
      fetchBlocks: (digests: readonly Digest[]) =>
        answer(`blocks ${String(digests.length)}`, () =>
          digests.map((digest) => blocks.get(Buffer.from(digest).toString('hex'))!),
        ),
      loadDirectory: ({ ref: { digest }, after }) =>
        answer(`directory ${String(digest[0])}`, () => pageOf(directories.get(digest[0]!)!, after)),
      loadChunks: ({ ref: { digest } }) => answer(`chunks ${String(digest[0])}`, () => ({ chunks, isLast: true })),
    },
  }
}

/** The root of that tree, for a drive without local state. */
export const freshRoot = { record: record(0o040755, { nlink: 3, ref: ref(1), unloaded: true }) }

/** A directory in one page. */
export function pageOf(children: readonly RemoteChild[], after: unknown): DirectoryPage {
  return { children: after === undefined ? children : [], isLast: true }
}
