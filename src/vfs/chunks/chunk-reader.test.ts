import test from 'ava'
import { isDriveError, silentLog, systemRandom } from '../../base/index.js'
import { deriveDriveKeys } from '../../crypto/index.js'
import { createCore } from '../../pipeline/index.js'
import { openBlockStore } from '../../storage/blocks/index.js'
import { TreeBlocks } from '../staging/tree-blocks.js'
import { scratchDirectory } from '../../../test/support/storage/storage.js'
import { ChunkReader } from './chunk-reader.js'
import { OpenedBlocks } from './opened-blocks.js'

test('R-40 cached plaintext of a block is not returned to a reader with another key', async (t) => {
  const scratch = scratchDirectory()
  const store = await openBlockStore({ directory: scratch.path, log: silentLog })
  const core = createCore()
  try {
    const { sealed, digest, key } = core.sealLeaf(Buffer.alloc(5000, 7), deriveDriveKeys(systemRandom.bytes(32)))
    store.ingest([{ digest, bytes: sealed }], { onlyCopy: true })
    const reader = new ChunkReader({
      blocks: new TreeBlocks(store),
      core,
      remote: { fetchBlocks: async () => [sealed] },
      log: silentLog,
    })
    const own = new OpenedBlocks()
    await reader.load([{ digest, key }], own)
    t.is(reader.openNow({ digest, key })?.length, 5000)
    const other = { digest, key: systemRandom.bytes(32) }
    t.is(reader.openNow(other, own), undefined)
    t.is(reader.openPartNow(other, 0, 100, own, true), undefined)
    t.true(isDriveError(await t.throwsAsync(reader.load([other])), 'CORRUPT'))
  } finally {
    await store.close()
    scratch.remove()
  }
})
