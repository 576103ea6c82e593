/** The contract of every IPFS node. Run by the embedded node, file stores, real Kubo and the wrappers. */
import test, { type ExecutionContext, type TestFn } from 'ava'
import { isDriveError, type DriveErrorCode } from '../../src/base/index.js'
import type { IpfsNode, NodeBlock } from '../../src/node/index.js'
import { pinTreeOver, nameKey, rawBlock, rawBlocks } from './node-material.js'

export interface NodeUnderTest {
  readonly node: IpfsNode
  /** Releases what else the tests use besides `node`; called after the last test. */
  dispose(): Promise<void>
}

let nextSeed = 0x5eed

/**
 * Declares the tests of one kind of node. They share one node, so each uses its own content.
 * @param open called by the first test that runs @param declare `testWithKubo` if the node may be unavailable
 */
export function nodeSuite(
  kind: string,
  open: () => Promise<NodeUnderTest>,
  declare: TestFn | TestFn['skip'] = test.serial,
): void {
  let opening: Promise<NodeUnderTest> | undefined
  let opened: NodeUnderTest | undefined

  test.after.always(`${kind}: close`, async () => {
    await opened?.node.close()
    await opened?.dispose()
  })
  const behaves = (title: string, run: (t: ExecutionContext, node: IpfsNode, seed: number) => Promise<void>): void => {
    declare(`${kind}: ${title}`, async (t) => {
      const seed = nextSeed++
      t.log(`seed ${seed}`)
      t.timeout(900_000, 'opening the node')
      opening ??= open()
      opened = await opening
      t.timeout(10 * 60_000)
      await run(t, opened.node, seed)
    })
  }

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

  behaves('one named recursive pin holds a version', async (t, node, seed) => {
    const forest = pinTreeOver(rawBlocks(20, 200, seed))
    await node.importBlocks(forest.blocks, { roots: [forest.root] })
    await node.pin(forest.root, { name: `drive ${seed}` })
    await node.pin(forest.root, { name: `drive ${seed}` })
    const pins = await node.listPins()
    t.deepEqual(
      pins.filter((pin) => pin.name === `drive ${seed}`),
      [{ cid: forest.root, name: `drive ${seed}` }],
    )
    await node.unpin(forest.root)
    await node.unpin(forest.root)
    t.false((await node.listPins()).some((pin) => pin.cid === forest.root))
  })

  behaves('a version with a missing block is not pinned', async (t, node, seed) => {
    const forest = pinTreeOver(rawBlocks(20, 200, seed))
    const hole = forest.leaves[7]!.cid
    await node.importBlocks(
      forest.blocks.filter((block) => block.cid !== hole),
      { roots: [forest.root] },
    )
    await failsWith(t, ['NODE_ERROR'], node.pin(forest.root, { name: 'holed' }))
    t.false((await node.listPins()).some((pin) => pin.cid === forest.root))
  })

  behaves(
    'S-030 updatePin adds a pin of the same name and keeps the old one; repeating it changes nothing',
    async (t, node, seed) => {
      const leaves = rawBlocks(40, 200, seed)
      const before = pinTreeOver(leaves)
      const after = pinTreeOver([...leaves.slice(0, 30), ...rawBlocks(12, 200, seed + 500)])
      await node.importBlocks([...before.blocks, ...after.blocks], { roots: [after.root] })
      await node.pin(before.root, { name: `moved ${seed}` })
      await node.updatePin(before.root, after.root)
      await node.updatePin(before.root, after.root)
      const pins = (await node.listPins()).filter((pin) => pin.cid === before.root || pin.cid === after.root)
      t.deepEqual(
        pins.map(({ cid, name }) => `${cid} ${name}`).sort(),
        [before.root, after.root].map((cid) => `${cid} moved ${seed}`).sort(),
      )
      await node.updatePin(after.root, after.root)
      await node.unpin(before.root)
      await node.updatePin(before.root, after.root)
      t.true((await node.listPins()).some(({ cid }) => cid === after.root))
      await node.unpin(after.root)
    },
  )

  behaves('updatePin to a version with a missing block fails and keeps the old pin', async (t, node, seed) => {
    const leaves = rawBlocks(24, 200, seed)
    const before = pinTreeOver(leaves)
    const after = pinTreeOver([...leaves.slice(0, 20), ...rawBlocks(4, 200, seed + 500)])
    const hole = after.leaves[22]!.cid
    await node.importBlocks([...before.blocks, ...after.blocks.filter((block) => block.cid !== hole)], {
      roots: [after.root],
    })
    await node.pin(before.root, { name: 'kept' })
    await failsWith(t, ['NODE_ERROR'], node.updatePin(before.root, after.root))
    const pins = (await node.listPins()).map((pin) => pin.cid)
    t.true(pins.includes(before.root))
    t.false(pins.includes(after.root))
    await node.unpin(before.root)
  })

  behaves('updatePin from a version that is not pinned is NOT_FOUND', async (t, node, seed) => {
    const before = pinTreeOver(rawBlocks(9, 200, seed))
    const after = pinTreeOver(rawBlocks(9, 200, seed + 500))
    await node.importBlocks([...before.blocks, ...after.blocks], { roots: [after.root] })
    await failsWith(t, ['NOT_FOUND'], node.updatePin(before.root, after.root))
    t.false((await node.listPins()).some((pin) => pin.cid === after.root))
  })

  behaves('garbage collection removes exactly the blocks that no pin reaches', async (t, node, seed) => {
    const shared = rawBlocks(10, 5000, seed)
    const kept = pinTreeOver([...shared, ...rawBlocks(10, 5000, seed + 100)])
    const dropped = pinTreeOver([...shared, ...rawBlocks(10, 5000, seed + 200)])
    await node.importBlocks([...kept.blocks, ...dropped.blocks], { roots: [kept.root] })
    await node.pin(kept.root, { name: 'kept' })
    const { removedBlocks } = await node.collectGarbage()
    t.true(removedBlocks >= 10)
    t.deepEqual(await node.missing(kept.blocks.map((block) => block.cid)), [])
    const gone = dropped.blocks
      .map((block) => block.cid)
      .filter((cid) => !kept.blocks.some((block) => block.cid === cid))
    t.deepEqual(await node.missing(gone), gone)
    for (const block of kept.blocks) t.deepEqual(Buffer.from(await node.getBlock(block.cid)), Buffer.from(block.bytes))
    await node.importBlocks(dropped.blocks, { roots: [dropped.root] })
    t.deepEqual(await node.missing(gone), [])
    await node.unpin(kept.root)
  })

  behaves(
    'a name record is stored, read back unchanged, and replaced only by a higher sequence',
    async (t, node, seed) => {
      const key = await nameKey(seed)
      const value = rawBlocks(1, 10, seed)[0]!.cid
      await failsWith(t, ['NOT_FOUND'], node.getName(key.name))
      const first = await key.record(value, 256n)
      await node.putName(key.name, first)
      t.deepEqual(Buffer.from(await node.getName(key.name)), Buffer.from(first))
      await node.putName(key.name, first)
      const second = await key.record(value, 513n)
      await node.putName(key.name, second)
      t.deepEqual(Buffer.from(await node.getName(key.name)), Buffer.from(second))
      await failsWith(t, ['DIVERGED'], node.putName(key.name, first))
      await failsWith(
        t,
        ['DIVERGED'],
        node.putName(key.name, await key.record(rawBlock(Buffer.from('other')).cid, 513n)),
      )
      t.deepEqual(Buffer.from(await node.getName(key.name)), Buffer.from(second))
    },
  )

  behaves('a record of another name, a damaged one and an empty one are refused', async (t, node, seed) => {
    const key = await nameKey(seed)
    const other = await nameKey(seed + 1)
    const record = await key.record(rawBlock(Buffer.from('value')).cid, 1n)
    const damaged = Uint8Array.from(record)
    damaged[damaged.length - 10]! ^= 1
    await failsWith(t, ['INVALID'], node.putName(other.name, record))
    await failsWith(t, ['INVALID'], node.putName(key.name, damaged))
    await failsWith(t, ['INVALID'], node.putName(key.name, new Uint8Array()))
    await failsWith(t, ['NOT_FOUND'], node.getName(key.name))
  })

  behaves('a call with an aborted signal rejects with ABORTED', async (t, node, seed) => {
    const signal = AbortSignal.abort()
    const blocks = rawBlocks(2, 100, seed)
    await failsWith(t, ['ABORTED'], node.importBlocks(blocks, { roots: [], signal }))
    await failsWith(t, ['ABORTED'], node.getBlock(blocks[0]!.cid, { signal }))
    await failsWith(t, ['ABORTED'], node.missing([blocks[0]!.cid], { signal }))
    await failsWith(t, ['ABORTED'], node.listPins({ signal }))
    await failsWith(t, ['ABORTED'], node.check({ signal }))
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

  behaves('check describes the node, without credentials', async (t, node) => {
    const status = await node.check()
    t.true(['embedded', 'folder', 'kubo'].includes(status.kind))
    t.true(status.where.length > 0)
    t.false(status.where.includes('@'))
    t.true(status.sameMachine)
    t.true((status.blocks ?? 1) > 0)
    t.true((status.bytes ?? 0) > 0)
    t.is(status.kind === 'kubo', status.peerId !== undefined)
  })
}

/** Asserts that the promise rejects with a DriveError of one of these codes. */
export async function failsWith(
  t: ExecutionContext,
  codes: readonly DriveErrorCode[],
  promise: Promise<unknown>,
): Promise<void> {
  try {
    await promise
    t.fail(`should have failed with ${codes.join(' or ')}`)
  } catch (error) {
    t.true(isDriveError(error) && codes.includes(error.code), `${codes.join('/')} expected, got ${String(error)}`)
  }
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
