/**
 * Another node for a drive that cannot be opened at its own: its data here are gone, and that node does not know
 * it.
 */
import type { NodeReport, NodeRequest } from '../../api/index.js'
import { DriveError } from '../../base/index.js'
import { writeConfig } from '../../platform/index.js'
import { nodeReportOf } from '../control/status.js'
import { keepOnlyNodeKey, saveNodeKey, type NodeCredential } from '../keys/node-keys.js'
import type { Daemon } from '../lifecycle/contract.js'
import { findPublished } from './find-published.js'

/** NO_DRIVE, and nothing is changed, where that node does not know the drive either. */
export async function chooseNode(
  daemon: Daemon,
  { url }: NodeRequest & { readonly url: string },
  credential: NodeCredential | undefined,
  signal: AbortSignal,
): Promise<NodeReport> {
  const { rootKey, paths } = daemon
  if (rootKey === undefined) throw new DriveError('LOCKED', 'The drive is locked; its passphrase is needed.')
  const node = await daemon.connectNode(url, credential)
  let report: NodeReport
  try {
    report = nodeReportOf(await node.check({ signal }))
    if ((await findPublished(node, rootKey, signal)) === undefined) {
      throw new DriveError('NO_DRIVE', 'That node knows no drive of this key either; the node stays as it is.')
    }
  } finally {
    node.abandon?.()
    await node.close()
  }
  await saveNodeKey(paths.nodeKeyFile, url, credential)
  await writeConfig(paths.configFile, { ...(await daemon.config()), nodeUrl: url })
  await keepOnlyNodeKey(paths.nodeKeyFile, url)
  await daemon.requireDrive()
  return report
}
