/** What a published version uses, found by walking all of it. */
import { hex, type Digest } from '../../../src/base/index.js'
import {
  readChunkList,
  readDirectoryTable,
  readMapNodes,
  readPinTree,
  type EntryRecord,
  type FetchBlock,
  type TreeRef,
} from '../../../src/dag/index.js'
import type { Version } from '../../../src/sync/contract.js'
import { readLinks } from '../dag/read-links.js'

/** The refcount of each of its blocks, by digest in hex. */
export async function usesOf({ commit }: Version, fetch: FetchBlock): Promise<Map<string, number>> {
  const uses = new Map<string, number>()
  const use = (digest: Digest): void => void uses.set(hex(digest), (uses.get(hex(digest)) ?? 0) + 1)
  const useMap = async (ref: TreeRef): Promise<void> => {
    for (const node of await readMapNodes(ref, fetch)) use(node.ref.digest)
  }
  const useEntry = async (entry: EntryRecord): Promise<void> => {
    const { content } = entry
    if (content.kind === 'chunks') for (const chunk of content.chunks) use(chunk.digest)
    if (content.kind !== 'tree') return
    await useMap(content.ref)
    if ((entry.mode & 0o170000) === 0o040000) {
      for await (const child of readDirectoryTable(content.ref, fetch)) await useEntry(child.entry)
    } else {
      for await (const chunk of readChunkList(content.ref, fetch)) use(chunk.digest)
    }
  }
  await useEntry(commit.root)
  if (commit.links !== undefined) {
    await useMap(commit.links)
    for await (const entry of readLinks(commit.links, fetch)) await useEntry(entry)
  }
  if (commit.duplicates !== undefined) await useMap(commit.duplicates)
  return uses
}

/** Every digest of its pin tree, in hex. */
export async function pinTreeOf({ commit }: Version, fetch: FetchBlock): Promise<Set<string>> {
  const digests = new Set<string>()
  for await (const leaf of readPinTree(commit.forest, fetch))
    for (const digest of leaf.digests) digests.add(hex(digest))
  return digests
}
