/** The part of the contract of nodes about blocks: imports, reads, and what is missing. */
import type { NodeBlock } from '../../src/node/index.js'
import { failsWith } from './fails-with.js'
import { pinTreeOver, rawBlocks } from './node-material.js'
import type { Behaves } from './node.suite.js'

/** Declares its tests. */
export function nodeBlocksSuite(behaves: Behaves): void {
  behaves('imported blocks are confirmed by count and read back unchanged', async (t, node, seed) => {
    const blocks = [...rawBlocks(40, 3000, seed), ...rawBlocks(3, 1_000_000, seed + 1000)]
    const forest = pinTreeOver(blocks)
    const seen: number[] = []
    const result = await node.importBlocks(forest.blocks, {
      roots: [forest.root],
      onProgress: (done) => seen.push(done.blocks),
    })
    t.is(result.blocks, forest.blocks.length)
    t.is(result.bytes, sizeOf(forest.blocks))
    t.is(seen.at(-1), forest.blocks.length)
    t.deepEqual(
      seen,
      [...seen].sort((a, b) => a - b),
    )
    for (const block of forest.blocks)
      t.deepEqual(Buffer.from(await node.getBlock(block.cid)), Buffer.from(block.bytes))
  })

  behaves('importing again, twice in one import, or from an async source changes nothing', async (t, node, seed) => {
    const blocks = rawBlocks(5, 500, seed)
    await node.importBlocks(blocks, { roots: [blocks[0]!.cid] })
    const again = await node.importBlocks(slowly([...blocks, ...blocks]), { roots: [blocks[0]!.cid] })
    t.is(again.blocks, 10)
    t.deepEqual(await node.missing(blocks.map((block) => block.cid)), [])
  })

  behaves('concurrent imports all arrive', async (t, node, seed) => {
    const parts = [0, 1, 2, 3].map((part) => rawBlocks(30, 2000, seed + 100 * part))
    await Promise.all(parts.map((blocks) => node.importBlocks(slowly(blocks), { roots: [blocks[0]!.cid] })))
    t.deepEqual(await node.missing(parts.flat().map((block) => block.cid)), [])
  })

  behaves('a block whose bytes do not match its CID is refused and not held', async (t, node, seed) => {
    const [good, other] = rawBlocks(2, 700, seed)
    const forged = { cid: good!.cid, bytes: other!.bytes }
    await failsWith(t, ['WRONG_BLOCK'], node.importBlocks([forged], { roots: [forged.cid] }))
    t.deepEqual(await node.missing([good!.cid]), [good!.cid])
  })

  behaves('an import whose source fails rejects with that error', async (t, node, seed) => {
    const blocks = rawBlocks(3, 100, seed)
    const failure = new Error('the source broke')
    const source = async function* (): AsyncIterable<NodeBlock> {
      yield* blocks
      throw failure
    }
    const error = await t.throwsAsync(node.importBlocks(source(), { roots: [blocks[0]!.cid] }))
    t.true(error === failure || error?.cause === failure, String(error))
  })

  behaves('missing returns exactly the absent blocks, in the requested order', async (t, node, seed) => {
    const blocks = rawBlocks(60, 64, seed)
    const held = blocks.filter((_, at) => at % 3 !== 0)
    await node.importBlocks(held, { roots: [held[0]!.cid] })
    const expected = blocks.filter((_, at) => at % 3 === 0).map((block) => block.cid)
    t.deepEqual(await node.missing(blocks.map((block) => block.cid)), expected)
    t.deepEqual(await node.missing([]), [])
  })

  behaves('a block that does not exist is NOT_FOUND within the given time', async (t, node, seed) => {
    const absent = rawBlocks(1, 50, seed)[0]!
    await failsWith(t, ['NOT_FOUND'], node.getBlock(absent.cid, { timeoutMs: 1000 }))
  })

  behaves('an import can be cancelled in the middle', async (t, node, seed) => {
    const abort = new AbortController()
    const blocks = rawBlocks(20, 1000, seed)
    const source = async function* (): AsyncIterable<NodeBlock> {
      for (const [at, block] of blocks.entries()) {
        if (at === 10) setImmediate(() => abort.abort())
        if (at > 10) await new Promise((resolve) => setTimeout(resolve, 20))
        yield block
      }
    }
    await failsWith(t, ['ABORTED'], node.importBlocks(source(), { roots: [blocks[0]!.cid], signal: abort.signal }))
    const { blocks: count } = await node.importBlocks(blocks, { roots: [blocks[0]!.cid] })
    t.is(count, 20)
  })
}

function sizeOf(blocks: readonly NodeBlock[]): number {
  return blocks.reduce((sum, block) => sum + block.bytes.byteLength, 0)
}

async function* slowly(blocks: readonly NodeBlock[]): AsyncIterable<NodeBlock> {
  for (const block of blocks) {
    await new Promise((resolve) => setImmediate(resolve))
    yield block
  }
}
