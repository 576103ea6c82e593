/** The contract of every IPFS node. Run by the embedded node, file stores, real Kubo and the wrappers. */
import test, { type ExecutionContext, type TestFn } from 'ava'
import type { IpfsNode } from '../../src/node/index.js'
import { failsWith } from './fails-with.js'
import { nodeBlocksSuite } from './node-blocks.suite.js'
import { nameKey, rawBlock, rawBlocks } from './node-material.js'
import { nodePinsSuite } from './node-pins.suite.js'

export { failsWith }

export interface NodeUnderTest {
  readonly node: IpfsNode
  /** Releases what else the tests use besides `node`; called after the last test. */
  dispose(): Promise<void>
}

/** Declares one test of the node. Its content comes from the seed. */
export type Behaves = (title: string, run: (t: ExecutionContext, node: IpfsNode, seed: number) => Promise<void>) => void

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
  const behaves: Behaves = (title, run) => {
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

  nodeBlocksSuite(behaves)
  nodePinsSuite(behaves)

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
