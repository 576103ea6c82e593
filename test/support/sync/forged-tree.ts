/** A version with any rows in its root directory, as another device can publish it. */
import { parentsAfter } from '../../../src/commits/index.js'
import {
  buildMap,
  cidOf,
  digestsWithin,
  readMap,
  readPinTree,
  sealCommit,
  updatePinTree,
  versionRootBlock,
  type Block,
  type Commit,
} from '../../../src/dag/index.js'
import { openExisting } from '../../../src/sync/fetch/open-existing.js'
import { DriveNames } from '../../../src/sync/heads/drive-names.js'
import type { World } from './world.js'

/**
 * @param change adds and removes rows; keys are names as latin1. It may return more blocks of the version
 * @param isRootWrong the root directory does not open
 * @param claims replaces fields of the commit
 */
export async function publishForged(
  w: World,
  slot: number,
  change: (rows: Map<string, Uint8Array>) => readonly Block[] | void,
  isRootWrong = false,
  claims: Partial<Commit> = {},
): Promise<void> {
  const { version } = await openExisting(w)
  const { commit } = version
  const live = new Map<string, Uint8Array>()
  for await (const { digests } of readPinTree(commit.forest, w.fetch))
    for (const digest of digests) live.set(Buffer.from(digest).toString('hex'), digest)
  const rows = new Map<string, Uint8Array>()
  if (commit.root.content.kind === 'tree')
    for await (const [key, value] of readMap(commit.root.content.ref, w.fetch))
      rows.set(Buffer.from(key).toString('latin1'), Uint8Array.from(value))
  const more = change(rows) ?? []
  const sorted = Array.from(rows, ([name, value]) => [Buffer.from(name, 'latin1'), value] as const)
  const map = buildMap(
    sorted.sort((a, b) => Buffer.compare(a[0], b[0])),
    { random: w.random },
  )
  const blocks: Block[] = [...map.blocks, ...more]
  for (const { digest } of blocks) live.set(Buffer.from(digest).toString('hex'), digest)
  const digests = [...live.values()].sort((a, b) => Buffer.compare(a, b))
  const pinTree = updatePinTree({
    count: digests.length,
    digests: digestsWithin(digests),
    previousBits: undefined,
    previousNode: () => undefined,
    changed: digests,
  })
  blocks.push(...pinTree.blocks)
  const next = {
    ...commit,
    height: commit.height + 1,
    parents: parentsAfter(version, []),
    deviceSlot: slot,
    root: {
      ...commit.root,
      content: { kind: 'tree' as const, ref: isRootWrong ? { ...map.ref, key: new Uint8Array(32) } : map.ref },
    },
    forest: pinTree.root,
    liveBlocks: digests.length,
    ...claims,
  }
  const sealed = sealCommit(next, w.keys, w.random)
  const root = versionRootBlock({ commit: sealed.digest, forest: next.forest })
  blocks.push(sealed, root)
  await w.node.importBlocks(
    blocks.map(({ digest, codec, bytes }) => ({ cid: cidOf(digest, codec), bytes })),
    { roots: [] },
  )
  const names = new DriveNames(w.keys)
  // A node cannot pin a version with a damaged pin tree.
  if (claims.forest === undefined) await w.node.pin(cidOf(root.digest, 'dag-pb'), { name: names.pin })
  const records = names.makeRecords(root.digest, next)
  await w.node.putName(names.device(slot), records.device)
  await w.node.putName(names.drive, records.drive)
}
