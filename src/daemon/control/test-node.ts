/** Checks whether a node can be used: the configured one, or another address. */
import type { NodeReport, NodeRequest } from '../../api/index.js'
import { DriveError } from '../../base/index.js'
import { isNodeUrl } from '../../platform/index.js'
import type { NodeCredential } from '../keys/node-keys.js'
import type { Daemon } from '../lifecycle/contract.js'
import { nodeReportOf } from './status.js'

/**
 * The open drive's own node is checked through the drive, because an embedded store has one user at a time.
 * @param credential sent to the node instead of the given or the stored key
 */
export async function testNode(
  daemon: Daemon,
  given: NodeRequest,
  signal: AbortSignal,
  credential?: NodeCredential,
): Promise<NodeReport> {
  const config = await daemon.config()
  const address = given.url ?? config.nodeUrl
  requireNodeUrl(address)
  const own = given.key === undefined && credential === undefined && address === config.nodeUrl
  if (own && daemon.drive !== undefined) return nodeReportOf(await daemon.drive.node.check({ signal }))
  const node = await daemon.connectNode(address, credential ?? (await daemon.nodeCredential(address, given.key)))
  try {
    return nodeReportOf(await node.check({ signal }))
  } finally {
    await node.close()
  }
}

/** @throws USAGE when the text is not a node address */
export function requireNodeUrl(address: string): void {
  if (isNodeUrl(address)) return
  throw new DriveError(
    'USAGE',
    'This is not a node address: use http(s)://host:port, unix:///socket or file:///path, without a password in it.',
  )
}
