/** A drive whose node has damaged blocks, and the results of its checks. */
import type { ExecutionContext } from 'ava'
import { DriveError } from '../../../src/base/index.js'
import { cidOf, decodeLinks, parseCid } from '../../../src/dag/index.js'
import type { CidText, IpfsNode } from '../../../src/node/index.js'
import type { CheckReport, CheckFinding } from '../../../src/sync/contract.js'
import { findDrive } from '../../../src/sync/fetch/open-existing.js'
import { around } from './around.js'
import { RealDevice } from './real-device.js'
import { World } from './world.js'

export interface Checked extends CheckReport {
  readonly findings: readonly CheckFinding[]
}

/** Runs one check and collects its findings. */
export async function check(device: RealDevice, how: { repair?: boolean; node?: boolean }): Promise<Checked> {
  const findings: CheckFinding[] = []
  const report = await device.sync.check({
    repair: how.repair === true,
    node: how.node === true,
    signal: new AbortController().signal,
    onFinding: (finding) => findings.push(finding),
    onProgress: () => undefined,
  })
  return { ...report, findings }
}

/** A node that keeps damaged bytes regardless of what is sent, like Kubo. */
export function rotting(
  node: IpfsNode,
  rotten: ReadonlySet<CidText>,
  kind: 'WRONG_BLOCK' | 'NOT_FOUND' | 'NODE_ERROR' = 'WRONG_BLOCK',
): IpfsNode {
  return around(node, {
    getBlock: async (cid, options) => {
      if (rotten.has(cid)) throw new DriveError(kind, 'Rot.', { about: { cid } })
      return node.getBlock(cid, options)
    },
  })
}

/** A device of a new drive; both are closed after the test. */
export async function drive(t: ExecutionContext, seed: number): Promise<{ world: World; device: RealDevice }> {
  const world = await World.open(seed)
  t.teardown(() => world.close())
  const device = await RealDevice.first(world)
  t.teardown(async () => {
    await device.close()
    device.remove()
  })
  return { world, device }
}

/** Creates files so that the version has every kind of block. */
export async function fill(world: World, device: RealDevice): Promise<void> {
  await device.makeDirectory('/docs')
  await device.makeDirectory('/docs/deep')
  await device.write('/docs/deep/note', 0, Buffer.from('a few words'))
  const twice = world.random.bytes(300_000)
  await device.write('/docs/one', 0, twice)
  await device.write('/docs/the same', 0, twice)
  await device.write('/long', 0, world.random.bytes(5_000_000))
  await device.write('/linked', 0, world.random.bytes(100_000))
  await device.link('/linked', '/docs/other name')
  await device.symlink('/symlink', 'docs/one')
  await device.sync.syncNow()
}

/** Every block of the newest version: root, commit, pin tree, live blocks. */
export async function versionBlocks(world: World): Promise<CidText[]> {
  const { version } = (await findDrive(world))!
  const found: CidText[] = [cidOf(version.root, 'dag-pb')]
  for (const cid of found) {
    const { digest, codec } = parseCid(cid)
    if (codec === 'dag-pb')
      found.push(...decodeLinks(await world.fetch(digest, codec)).map((link) => cidOf(link.digest, link.codec)))
  }
  return found
}

/** A node that returns damaged bytes for every chunk while `state.isLying` is set. */
export function lying(node: IpfsNode, state: { isLying: boolean }): IpfsNode {
  return around(node, {
    getBlock: async (cid, options) => {
      const bytes = await node.getBlock(cid, options)
      if (state.isLying && parseCid(cid).codec === 'raw' && bytes.length > 16_000)
        throw new DriveError('WRONG_BLOCK', 'Rot.', { about: { cid } })
      return bytes
    },
  })
}
