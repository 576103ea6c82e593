/** Warnings about the nodes whose keys this daemon keeps. */
import type { NodeReport } from '../../api/index.js'
import { listenerWarning } from '../../node/index.js'
import type { Daemon } from '../lifecycle/contract.js'

/** Warnings about the key that is kept for the node at `address`. */
export async function nodeWarnings(daemon: Pick<Daemon, 'nodeCredential'>, address: string): Promise<string[]> {
  const credential = await daemon.nodeCredential(address).catch(() => undefined) // reported when the key is used
  const warning = credential && listenerWarning(address, credential.listener)
  return warning === undefined ? [] : [warning]
}

export async function withNodeWarnings(
  daemon: Pick<Daemon, 'nodeCredential'>,
  address: string,
  report: NodeReport,
): Promise<NodeReport> {
  const warnings = await nodeWarnings(daemon, address)
  return warnings.length === 0 ? report : { ...report, warnings }
}
