/** Tests against real Kubo daemons: do they follow the pin tree, and do they accept the name records? */
import { KUBO_VERSIONS } from '../../test/kubo/build.js'
import { requireKubo, testWithKubo } from '../../test/kubo/require-kubo.js'
import { hex, seededRandom, silentLog, systemClock, systemRandom, type Digest } from '../base/index.js'
import { publicKeyOfSeed } from '../crypto/index.js'
import { openNode } from '../node/index.js'
import { cidOf, nameOfKey } from './cid.js'
import type { Block } from './contract.js'
import { updatePinTree, type UpdatedPinTree } from './pin-tree/pin-tree-build.js'
import { readPinTree } from './pin-tree/pin-tree-read.js'
import { makeNameRecord, openNameRecord } from './name-record.js'
import { sha256 } from './private-node.js'
import { digestsWithin } from './pin-tree/sorted-digests.js'
import { versionRootBlock } from './records/version-root.js'

for (const version of KUBO_VERSIONS) {
  testWithKubo(
    `Kubo ${version} pins a version by its root, moves the pin, and collects exactly the removed blocks (R-22)`,
    async (t) => {
      const daemon = await requireKubo(t, { version })
      const node = await openNode(daemon.url, {
        dataDirectory: '/nonexistent',
        clock: systemClock,
        log: silentLog,
        random: systemRandom,
      })
      t.teardown(() => node.close())
      const random = seededRandom(111)
      const leaf = (): Block => {
        const bytes = random.bytes(64)
        return { digest: sha256(bytes), bytes, codec: 'raw' }
      }
      const send = async (root: Block, blocks: readonly Block[]): Promise<string> => {
        const cid = cidOf(root.digest, root.codec)
        const sent = [...blocks, root].map(({ digest, codec, bytes }) => ({ cid: cidOf(digest, codec), bytes }))
        t.is((await node.importBlocks(sent, { roots: [cid] })).blocks, sent.length)
        return cid
      }

      const leaves = Array.from({ length: 30_000 }, leaf)
      const first = pinTreeOf(leaves, undefined, [])
      const commit = leaf()
      const rootOfFirst = versionRootBlock({ commit: commit.digest, forest: first.root })
      const before = await send(rootOfFirst, [...leaves, ...first.blocks, commit])
      await node.pin(before, { name: 'drive' })

      const [gone, joined] = [leaves.slice(0, 5), Array.from({ length: 7 }, leaf)]
      const changed = [...gone, ...joined].map(({ digest }) => digest)
      const second = pinTreeOf([...leaves.slice(5), ...joined], first, changed)
      t.true(second.blocks.length < 30)
      const nextCommit = leaf()
      const rootOfSecond = versionRootBlock({ commit: nextCommit.digest, forest: second.root })
      const after = await send(rootOfSecond, [...joined, ...second.blocks, nextCommit])
      await node.updatePin(before, after)
      await node.unpin(before)

      const { removedBlocks } = await node.collectGarbage()
      t.is(removedBlocks, gone.length + second.dropped.length + [commit, rootOfFirst].length)
      const raw = ({ digest }: Block): string => cidOf(digest, 'raw')
      t.deepEqual(await node.missing([...gone, ...joined, ...leaves.slice(5, 25), nextCommit].map(raw)), gone.map(raw))

      let live = 0
      const fetch = (digest: Digest, codec: Block['codec']): Promise<Uint8Array> => node.getBlock(cidOf(digest, codec))
      for await (const { digests } of readPinTree(second.root, fetch)) live += digests.length
      t.is(live, 30_002)

      for (const withVersion1 of [false, true]) {
        const seed = new Uint8Array(32).fill(withVersion1 ? 1 : 2)
        const name = nameOfKey(publicKeyOfSeed(seed))
        const record = {
          cid: after,
          sequence: 2 ** 45 + 3,
          validUntilMs: systemClock.nowMs() + 86_400_000,
          ttlMs: 60_000,
        }
        const bytes = makeNameRecord(record, seed, { withVersion1 })
        await node.putName(name, bytes)
        const found = await node.getName(name)
        t.is(hex(found), hex(bytes))
        t.is(openNameRecord(name, found, { nowMs: systemClock.nowMs() }).cid, after)
      }
    },
  )
}

function pinTreeOf(
  leaves: readonly Block[],
  previous: UpdatedPinTree | undefined,
  changed: readonly Digest[],
): UpdatedPinTree {
  const table = new Map(previous?.nodes.map(({ bits, prefix, digest }) => [`${bits}/${prefix}`, digest]))
  const sorted = leaves.map(({ digest }) => digest).sort((a, b) => Buffer.compare(a, b))
  return updatePinTree({
    count: sorted.length,
    digests: digestsWithin(sorted),
    previousBits: previous?.bits,
    previousNode: (bits, prefix) => table.get(`${bits}/${prefix}`),
    changed,
  })
}
