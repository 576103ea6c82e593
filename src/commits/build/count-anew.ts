/**
 * Recounts references for a version that is built from scratch. The published refcounts are removed, and every
 * reference of the tree is counted again, also in parts that were never loaded on this machine. Fetches every node of
 * those parts, at most twice: a subtree that is reached a second time is counted so often that none of its blocks can
 * become unused, and is not walked again (decision 133).
 */
import { eachMapNode, readChunkList, readDirectoryTable, type EntryRecord, type TreeRef } from '../../dag/index.js'
import { rowsIn } from '../../storage/kv/index.js'
import { isDirectory } from '../../model/index.js'
import { decodeCount, digestOf, MOST_USES } from '../tables/queue-tables.js'
import { ReachedTrees } from '../tables/reached-trees.js'
import type { BuildContext } from './build-context.js'

/** Removes all published references. The build adds the existing ones again. */
export async function countPublishedOut({ tables, delta, pace }: BuildContext): Promise<void> {
  for (const [digest, value] of rowsIn(tables.live)) {
    await pace.step()
    const kind = tables.nodes.get(digest) === undefined ? 'leaf' : 'node'
    delta.add(digestOf(digest), -decodeCount(value), kind)
  }
}

/** Counts a directory that was never loaded on this machine, and everything below it. */
export async function countDirectory(ref: TreeRef, context: BuildContext): Promise<void> {
  const trees = new ReachedTrees(context.tables.reached)
  reachDirectory(ref, trees)
  for (let next = trees.next(); next !== undefined; next = trees.next()) {
    const uses = usesAt(next[0]!)
    const at = { digest: next.slice(1, 33), key: next.slice(33) }
    await countNodes(at, uses, context)
    // The content of an unreadable entry is unknown.
    const options = { signal: context.signal, onUnreadable: () => undefined }
    for await (const { entry } of readDirectoryTable(at, context.fetch, options)) {
      await context.pace.step()
      if (entry.content.kind === 'tree' && isDirectory(entry)) reachDirectory(entry.content.ref, trees)
      else await countFile(entry.content, uses, trees, context)
    }
  }
}

/** Counts the chunk list of a file that was never loaded on this machine. */
export async function countChunkList(ref: TreeRef, context: BuildContext): Promise<void> {
  await countList(ref, new ReachedTrees(context.tables.reached), context)
}

/** Counts the content of an entry. */
export async function countContent(entry: EntryRecord, context: BuildContext): Promise<void> {
  const { content } = entry
  if (content.kind === 'tree' && isDirectory(entry)) await countDirectory(content.ref, context)
  else await countFile(content, 1, new ReachedTrees(context.tables.reached), context)
}

function reachDirectory({ digest, key }: TreeRef, trees: ReachedTrees): void {
  const times = trees.reach(digest)
  if (usesAt(times) > 0) trees.wait(Buffer.concat([Buffer.of(times), digest, key]))
}

/** @param uses of each chunk in the entry: references of its directory */
async function countFile(
  content: EntryRecord['content'],
  uses: number,
  trees: ReachedTrees,
  context: BuildContext,
): Promise<void> {
  if (content.kind === 'chunks')
    for (const { digest, length } of content.chunks) context.delta.add(digest, uses, 'leaf', length)
  if (content.kind === 'tree') await countList(content.ref, trees, context)
}

async function countList(ref: TreeRef, trees: ReachedTrees, context: BuildContext): Promise<void> {
  const uses = usesAt(trees.reach(ref.digest))
  if (uses === 0) return
  await countNodes(ref, uses, context)
  for await (const { digest, length } of readChunkList(ref, context.fetch, { signal: context.signal })) {
    await context.pace.step()
    context.delta.add(digest, uses, 'leaf', length)
  }
}

/** References that a walk adds to each block of a tree that is reached for the nth time; 0: it is not walked. */
function usesAt(times: number): number {
  if (times === 1) return 1
  return times === 2 ? MOST_USES : 0
}

async function countNodes(ref: TreeRef, uses: number, { fetch, signal, delta, pace }: BuildContext): Promise<void> {
  for await (const node of eachMapNode(ref, fetch, { signal })) {
    await pace.step()
    delta.add(node.ref.digest, uses, 'node')
  }
}
