/** Checks whether a node can be used: the configured one, or another address. */
import type { NodeReport, NodeRequest } from '../../api/index.js'
import { systemClock, systemRandom } from '../../base/index.js'
import type { IpfsNode } from '../../node/index.js'
import { requireNodeUrl } from '../../platform/index.js'
import type { NodeCredential } from '../keys/node-keys.js'
import type { Daemon } from '../lifecycle/contract.js'
import { nodeReportOf } from './status.js'
import { tryNames } from './try-names.js'

export interface TestNodeOptions {
  readonly signal: AbortSignal
  /** Sent to the node instead of the given or the stored key. */
  readonly credential?: NodeCredential | undefined
  /** Also stores a name record on a node that is not a store of ours. */
  readonly withNames?: boolean
}

/** The open drive's own node is checked through the drive, because an embedded store has one user at a time. */
export async function testNode(
  daemon: Pick<Daemon, 'config' | 'drive' | 'connectNode' | 'nodeCredential'>,
  given: NodeRequest,
  { signal, credential, withNames = false }: TestNodeOptions,
): Promise<NodeReport> {
  const config = await daemon.config()
  const address = given.url ?? config.nodeUrl
  requireNodeUrl(address)
  const check = async (node: IpfsNode): Promise<NodeReport> => {
    const report = nodeReportOf(await node.check({ signal }))
    if (withNames && !node.capabilities.isOwnStore)
      await tryNames(node, { clock: systemClock, random: systemRandom }, signal)
    return report
  }
  const own = given.key === undefined && credential === undefined && address === config.nodeUrl
  if (own && daemon.drive !== undefined) return check(daemon.drive.node)
  const node = await daemon.connectNode(address, credential ?? (await daemon.nodeCredential(address, given.key)))
  try {
    return await check(node)
  } finally {
    node.abandon?.()
    await node.close()
  }
}
