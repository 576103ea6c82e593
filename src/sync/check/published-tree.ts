/**
 * Reads the published tree from its root, including names, so that damage is reported with the path of the file. This
 * includes directories that this machine never loaded. Memory holds the current path, and one node of each directory on
 * it.
 */
import { setImmediate } from 'node:timers/promises'
import {
  DriveError,
  hex,
  isDriveError,
  nameFromBytes,
  nameToText,
  throwIfAborted,
  type Digest,
  type FileId,
  type PlainName,
} from '../../base/index.js'
import {
  cidOf,
  findLink,
  readChunkList,
  readDirectoryTable,
  type EntryRecord,
  type FetchBlock,
  type FileChunk,
} from '../../dag/index.js'
import { isDirectory } from '../../model/index.js'
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
  const files = new FileFindings(walk.onFinding)
  await new PublishedTree(head, walk, files).directory(head.commit.root, '')
  files.end()
}

class PublishedTree {
  readonly #fetch: FetchBlock
  readonly #links: EntryRecord['content'] | undefined

  constructor(
    private readonly head: Head,
    private readonly walk: TreeWalk,
    private readonly files: FileFindings,
  ) {
    const { links } = head.commit
    this.#links = links && { kind: 'tree', ref: links }
    this.#fetch = fetchOf(walk, head)
  }

  async directory(entry: EntryRecord, path: string): Promise<void> {
    const { content, fileId } = entry
    if (content.kind !== 'tree') return
    await this.#read(path, fileId, 'directory', async () => {
      const { signal } = this.walk
      const pathTo = (name: PlainName): string => (path === '' ? nameToText(name) : `${path}/${nameToText(name)}`)
      const onUnreadable = (name: Uint8Array): void => {
        const at = pathTo(nameFromBytes(name))
        const finding = { where: 'node', kind: 'damaged', what: 'entry', cid: undefined, outcome: 'lost' } as const
        this.files.add(`${at}\0`, finding, () => ({ path: at, fileId: undefined }))
      }
      for await (const { name, entry: child } of readDirectoryTable(content.ref, this.#fetch, {
        signal,
        onUnreadable,
      })) {
        throwIfAborted(signal)
        this.walk.onEntry()
        const childPath = pathTo(name)
        if (isDirectory(child)) await this.directory(child, childPath)
        else await this.#file(child, childPath)
      }
    })
  }

  async #file(entry: EntryRecord, path: string): Promise<void> {
    const { signal } = this.walk
    const { fileId } = entry
    let { content } = entry
    if (content.kind === 'shared' && this.#links?.kind === 'tree') {
      const links = this.#links.ref
      await this.#read(path, fileId, 'entry', async () => {
        const found = await findLink(links, fileId, this.#fetch, { signal })
        if (found === undefined) throw new DriveError('CORRUPT', 'The target of a hard link is missing.')
        content = found.content
      })
    }
    if (content.kind === 'chunks') for (const chunk of content.chunks) this.#chunk(chunk, path, fileId)
    if (content.kind !== 'tree') return
    const { ref } = content
    await this.#read(path, fileId, 'chunk list', async () => {
      for await (const chunk of readChunkList(ref, this.#fetch, { signal })) this.#chunk(chunk, path, fileId)
    })
    await setImmediate()
  }

  #chunk({ digest }: FileChunk, path: string, fileId: FileId): void {
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
    this.files.add(`${path}\0${hex(fileId)}`, finding, () => ({ path, fileId }))
  }

  /** Another version has been published meanwhile. */
  get #isReplaced(): boolean {
    return isReplaced(this.head, this.walk.parts.state)
  }

  /** A part of the tree that cannot be read anywhere is reported with the path of its file or directory. */
  async #read(path: string, fileId: FileId, what: CheckFinding['what'], read: () => Promise<void>): Promise<void> {
    try {
      await read()
    } catch (error) {
      if (error instanceof LostNode) this.walk.onNamed(error.digest)
      else if (!isDriveError(error, 'CORRUPT')) throw error
      if (this.#isReplaced) return
      const cid = error instanceof LostNode ? cidOf(error.digest, 'raw') : undefined
      const kind = error instanceof LostNode ? error.kind : 'damaged'
      this.files.add(`${path}\0${hex(fileId)}`, { where: 'node', kind, what, cid, outcome: 'lost' }, () => ({
        path,
        fileId,
      }))
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
