/** The pipeline without its pool: jobs are sealed on this thread, in the order of the calls. */
import type { ContentKeys, Core, Pipeline, SealedChunk } from '../../../src/pipeline/index.js'
import type { BlockStore } from '../../../src/storage/blocks/index.js'
import { openSegmentWriter } from '../../../src/storage/segments/index.js'

export function openUnpooledPipeline(
  core: Core,
  keys: ContentKeys,
  store: Pick<BlockStore, 'segmentDirectory' | 'findDuplicate'>,
): Pipeline {
  const writer = openSegmentWriter(store.segmentDirectory)
  const seal = (plain: Uint8Array): SealedChunk => {
    const { sealed, digest, key, dedupId } = core.sealLeaf(plain, keys)
    const known = store.findDuplicate(dedupId)
    const location = known === undefined ? writer.append(sealed, [sealed.length])[0] : undefined
    return { digest: known ?? digest, key, dedupId, plainLength: plain.length, location }
  }
  return {
    load: 0,
    core: core.kind,
    seal: async ({ data, items }) =>
      items.map(({ offset, length, mode, final }) => {
        const plain = data.subarray(offset, offset + length)
        const ends = core.cut(plain, mode, final, keys)
        const chunks = ends.map((end, i) => seal(plain.subarray(ends[i - 1] ?? 0, end)))
        return { consumed: ends.at(-1) ?? 0, chunks }
      }),
    close: async () => writer.close(),
  }
}
