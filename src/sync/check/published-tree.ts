/**
 * Reads the published tree from its root, including names, so that damage is reported with the path of the file. This
 * includes directories that this machine never loaded. Each directory and chunk list is read once, however many names
 * another device gave it. Memory holds one directory's map nodes; the progress is in a table.
 */
import { setImmediate } from 'node:timers/promises'
import {
  DriveError,
  hex,
  isDriveError,
  MIB,
  nameToBytes,
  throwIfAborted,
  type Digest,
  type FileId,
} from '../../base/index.js'
import { pathIn, reachedPath, ReachedTrees } from '../../commits/index.js'
import {
  cidOf,
  findLink,
  readChunkList,
  readDirectoryTable,
  type EntryRecord,
  type FetchBlock,
  type FileChunk,
  type TreeRef,
} from '../../dag/index.js'
import { isDirectory } from '../../model/index.js'
import { clearTables } from '../../storage/kv/index.js'
import type { Head } from '../state/sync-state.js'
import type { CheckFinding } from './contract.js'
import type { CheckParts } from './parts.js'
import { goodCopyHere, readFromNode } from './copies.js'
import { damageOf, noteDamage } from './damage.js'
import { FileFindings } from './file-findings.js'
import { isReplaced } from './is-replaced.js'

export interface TreeWalk {
  readonly parts: CheckParts
  readonly signal: AbortSignal
  readonly onFinding: (finding: CheckFinding) => void
  readonly onEntry: () => void
  /** Called for each damaged block that was reported with a path. */
  readonly onNamed: (digest: Digest) => void
  /** Called for each block that the tree names and the live set lacks, so that it is in no pin. */
  readonly onUnpinned?: () => void
}

/** @param head the version to read; parts that are gone because another version was published are skipped */
export async function walkPublished(head: Head, walk: TreeWalk): Promise<void> {
  const { queue, tables } = walk.parts.state
  await clearTables(queue, [tables.checking])
  const files = new FileFindings(walk.onFinding)
  try {
    await new PublishedTree(head, walk, files).readAll()
    files.end()
  } finally {
    await clearTables(queue, [tables.checking])
  }
}

/** What is being read. */
interface Place {
  readonly fileId: FileId
  /** Relative to the root of the drive, as text. */
  readonly path: () => string
}

const FILE_ID_BYTES = 16
/** Of the table, before it is committed. */
const MOST_PENDING_BYTES = MIB

class PublishedTree {
  readonly #fetch: FetchBlock
  readonly #links: EntryRecord['content'] | undefined
  readonly #trees: ReachedTrees

  constructor(
    private readonly head: Head,
    private readonly walk: TreeWalk,
    private readonly files: FileFindings,
  ) {
    const { links } = head.commit
    this.#links = links && { kind: 'tree', ref: links }
    this.#fetch = fetchOf(walk, head)
    this.#trees = new ReachedTrees(walk.parts.state.tables.checking)
  }

  async readAll(): Promise<void> {
    const { content, fileId } = this.head.commit.root
    if (content.kind !== 'tree') return
    this.#trees.reach(content.ref.digest)
    this.#wait(content.ref, fileId)
    const { queue } = this.walk.parts.state
    for (let next = this.#trees.next(); next !== undefined; next = this.#trees.next()) {
      const id = next.slice(0, FILE_ID_BYTES)
      const [digest, key] = [next.slice(FILE_ID_BYTES, FILE_ID_BYTES + 32), next.slice(FILE_ID_BYTES + 32)]
      await this.#directory({ digest, key }, id)
      if (queue.pendingBytes > MOST_PENDING_BYTES) await queue.commit()
    }
  }

  #wait({ digest, key }: TreeRef, fileId: FileId): void {
    this.#trees.wait(Buffer.concat([fileId, digest, key]))
  }

  async #directory(ref: TreeRef, fileId: FileId): Promise<void> {
    const { signal, parts } = this.walk
    const { queue } = parts.state
    const at: Place = { fileId, path: () => reachedPath(ref.digest, this.#trees) }
    await this.#read(at, 'directory', async () => {
      const onUnreadable = (name: Uint8Array): void => this.#unreadable(ref, name)
      for await (const { name, entry } of readDirectoryTable(ref, this.#fetch, { signal, onUnreadable })) {
        throwIfAborted(signal)
        this.walk.onEntry()
        if (!isDirectory(entry)) await this.#file(entry, ref, nameToBytes(name))
        else if (entry.content.kind === 'tree')
          this.#subdirectory(entry.content.ref, entry.fileId, ref, nameToBytes(name))
        if (queue.pendingBytes > MOST_PENDING_BYTES) await queue.commit()
      }
    })
  }

  /** A second name of a directory is reported, and not followed: the mount does not show it either. */
  #subdirectory(ref: TreeRef, fileId: FileId, parent: TreeRef, name: Uint8Array): void {
    const isFirst = this.#trees.reach(ref.digest, Buffer.concat([parent.digest, name])) === 1
    if (isFirst) this.#wait(ref, fileId)
    else this.#unreadable(parent, name)
  }

  #unreadable(directory: TreeRef, name: Uint8Array): void {
    const path = pathIn(directory.digest, name, this.#trees)
    const finding = { where: 'node', kind: 'damaged', what: 'entry', cid: undefined, outcome: 'lost' } as const
    this.files.add(`${hex(directory.digest)}/${hex(name)}`, finding, () => ({ path: path(), fileId: undefined }))
  }

  async #file(entry: EntryRecord, directory: TreeRef, name: Uint8Array): Promise<void> {
    const { signal } = this.walk
    const { fileId } = entry
    const at: Place = { fileId, path: pathIn(directory.digest, name, this.#trees) }
    let { content } = entry
    if (content.kind === 'shared' && this.#links?.kind === 'tree') {
      const links = this.#links.ref
      await this.#read(at, 'entry', async () => {
        const found = await findLink(links, fileId, this.#fetch, { signal })
        if (found === undefined) throw new DriveError('CORRUPT', 'The target of a hard link is missing.')
        content = found.content
      })
    }
    if (content.kind === 'chunks') for (const chunk of content.chunks) this.#chunk(chunk, at)
    if (content.kind !== 'tree') return
    const { ref } = content
    if (this.#trees.reach(ref.digest) > 1) return
    await this.#read(at, 'chunk list', async () => {
      for await (const chunk of readChunkList(ref, this.#fetch, { signal })) this.#chunk(chunk, at)
    })
    await setImmediate()
  }

  #chunk({ digest }: FileChunk, at: Place): void {
    const { state } = this.walk.parts
    const damage = damageOf(digest, state)
    noteUnpinned(digest, this.head, this.walk)
    const isLive = state.tables.live.get(digest) !== undefined
    if (damage === undefined ? isLive || this.#isReplaced : !isLive) return
    if (damage !== undefined) this.walk.onNamed(digest)
    const kind = damage?.kind ?? 'unpinned'
    const outcome = damage === undefined || damage.state === 'replaced' ? 'open' : OUTCOMES[damage.state]
    if (outcome === undefined) return
    const finding = { where: 'node', kind, what: 'block', cid: cidOf(digest, 'raw'), outcome } as const
    this.files.add(at.path, finding, () => ({ path: at.path(), fileId: at.fileId }))
  }

  /** Another version has been published meanwhile. */
  get #isReplaced(): boolean {
    return isReplaced(this.head, this.walk.parts.state)
  }

  /** A part of the tree that cannot be read anywhere is reported with the path of its file or directory. */
  async #read(at: Place, what: CheckFinding['what'], read: () => Promise<void>): Promise<void> {
    try {
      await read()
    } catch (error) {
      if (error instanceof LostNode) this.walk.onNamed(error.digest)
      else if (!isDriveError(error, 'CORRUPT')) throw error
      if (this.#isReplaced) return
      const cid = error instanceof LostNode ? cidOf(error.digest, 'raw') : undefined
      const kind = error instanceof LostNode ? error.kind : 'damaged'
      const finding = { where: 'node', kind, what, cid, outcome: 'lost' } as const
      this.files.add(at.path, finding, () => ({ path: at.path(), fileId: at.fileId }))
    }
  }
}

const OUTCOMES = { open: 'open', lost: 'lost', healed: 'healed', pending: 'healed', exchange: undefined } as const

/** A tree node that neither the node nor this machine has. */
class LostNode extends Error {
  constructor(
    readonly digest: Digest,
    readonly kind: 'missing' | 'damaged',
  ) {
    super('A node of the tree cannot be read anywhere.')
  }
}

/** Reads from the node, so that its copy is checked. If that fails, reads the local copy. */
function fetchOf(walk: TreeWalk, head: Head): FetchBlock {
  const { parts, signal } = walk
  return async (digest, codec) => {
    noteUnpinned(digest, head, walk)
    const { kind, bytes } = await readFromNode(digest, codec, parts, signal)
    if (kind === 'good') return bytes
    if (!isReplaced(head, parts.state)) await noteDamage([{ digest, codec, state: 'open', kind }], parts)
    const here = await goodCopyHere(digest, parts)
    if (here === undefined) throw new LostNode(digest, kind)
    return here
  }
}

function noteUnpinned(digest: Digest, head: Head, { parts: { state }, onUnpinned }: TreeWalk): void {
  if (!isReplaced(head, state) && state.tables.live.get(digest) === undefined) onUnpinned?.()
}
