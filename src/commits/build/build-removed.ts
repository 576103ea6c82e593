/**
 * What left the tree since the published version: counted out, or, when it never was in a version, noted as garbage.
 */
import { readChunkList } from '../../dag/index.js'
import { dropMap, isPublished, type BuildContext } from './build-context.js'

export async function countRemoved(context: BuildContext): Promise<void> {
  const { view, delta, pace, published, fetch, signal } = context
  for (const removed of view.removed()) {
    await pace.step()
    if (removed.kind === 'link') continue // the link table is made before
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
