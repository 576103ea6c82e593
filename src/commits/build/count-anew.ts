/**
 * Recounts references for a version that is built from scratch. The published refcounts are removed, and every
 * reference of the tree is counted again, also in parts that were never loaded on this machine. Fetches every node of
 * those parts.
 */
import { readChunkList, readDirectoryTable, readMapNodes, type EntryRecord, type TreeRef } from '../../dag/index.js'
import { rowsIn } from '../../storage/kv/index.js'
import { isDirectory } from '../../model/index.js'
import { decodeCount, digestOf } from '../tables/queue-tables.js'
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
  await countNodes(ref, context)
  // The content of an unreadable entry is unknown.
  const options = { signal: context.signal, onUnreadable: () => undefined }
  for await (const { entry } of readDirectoryTable(ref, context.fetch, options)) {
    await context.pace.step()
    await countContent(entry, context)
  }
}

/** Counts the chunk list of a file that was never loaded on this machine. */
export async function countChunkList(ref: TreeRef, context: BuildContext): Promise<void> {
  await countNodes(ref, context)
  for await (const { digest, length } of readChunkList(ref, context.fetch, { signal: context.signal })) {
    await context.pace.step()
    context.delta.add(digest, 1, 'leaf', length)
  }
}

/** Counts the content of an entry. */
export async function countContent(entry: EntryRecord, context: BuildContext): Promise<void> {
  const { content } = entry
  if (content.kind === 'chunks')
    for (const { digest, length } of content.chunks) context.delta.add(digest, 1, 'leaf', length)
  if (content.kind !== 'tree') return
  await (isDirectory(entry) ? countDirectory(content.ref, context) : countChunkList(content.ref, context))
}

async function countNodes(ref: TreeRef, { fetch, signal, delta }: BuildContext): Promise<void> {
  for (const node of await readMapNodes(ref, fetch, { signal })) delta.add(node.ref.digest, 1, 'node')
}
