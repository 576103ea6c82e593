/** Whether a node can be used: the configured one, or another address. */
import type { NodeReport, NodeRequest } from '../../api/index.js'
import { DriveError } from '../../base/index.js'
import { isNodeUrl } from '../../platform/index.js'
import type { Daemon } from '../lifecycle/daemon.js'
import { nodeReportOf } from './status.js'

/** The open drive's own node is asked through it: an embedded store has one user at a time. */
export async function testNode(daemon: Daemon, given: NodeRequest, signal: AbortSignal): Promise<NodeReport> {
  const config = await daemon.config()
  const address = given.url ?? config.nodeUrl
  if (!isNodeUrl(address)) {
    throw new DriveError(
      'USAGE',
      'That is no node address: use http(s)://host:port, unix:///socket or file:///path, without a password in it.',
    )
  }
  const own = given.key === undefined && address === config.nodeUrl
  if (own && daemon.drive !== undefined) return nodeReportOf(await daemon.drive.node.check({ signal }))
  // A key belongs to its node: it is not sent to another address.
  const key = given.key ?? (own ? await daemon.nodeKey() : undefined)
  const node = await daemon.connectNode(address, key)
  try {
    return nodeReportOf(await node.check({ signal }))
  } finally {
    await node.close()
  }
}
