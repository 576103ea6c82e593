/**
 * Processes the rows of `removed`. Published content loses its references; content that was never in a version is
 * marked as garbage.
 */
import { readChunkList } from '../../dag/index.js'
import { dropMap, isPublished, type BuildContext } from './build-context.js'

export async function countRemoved(context: BuildContext): Promise<void> {
  const { view, delta, pace, published, fetch, signal } = context
  for (const removed of view.removed()) {
    await pace.step()
    if (removed.kind === 'link') continue // buildTree has already updated the link table
    if (removed.kind === 'block') {
      delta.add(removed.digest, removed.born <= published ? -1 : 0, 'leaf')
      continue
    }
    if (context.isAnew) continue
    const ref = { digest: removed.digest, key: removed.key }
    if (!isPublished(ref, context)) continue
    if (removed.kind === 'node') {
      for await (const chunk of readChunkList(ref, fetch, { signal })) delta.add(chunk.digest, -1, 'leaf')
    }
    await dropMap(ref, context)
  }
}
