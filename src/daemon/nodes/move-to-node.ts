/**
 * Publishing to another node from now on. The node counts only when it has the published version: until then, and after any
 * failure, the node before stays the drive's node.
 */
import type { NodeReport, NodeRequest, OperationContext } from '../../api/index.js'
import { DriveError, isDriveError, systemClock } from '../../base/index.js'
import { writeConfig } from '../../platform/index.js'
import { keepOnlyNodeKey, saveNodeKey, type NodeCredential } from '../keys/node-keys.js'
import type { Daemon } from '../lifecycle/daemon.js'
import { drain } from '../control/drain.js'
import { findPublished } from './find-published.js'
import { requireNodeUrl, testNode } from '../control/test-node.js'

export async function moveToNode(
  daemon: Daemon,
  given: NodeRequest & { readonly url: string },
  { signal, progress }: OperationContext<'nodeSet'>,
): Promise<NodeReport> {
  const drive = await daemon.requireDrive()
  const before = (await daemon.config()).nodeUrl
  const credential = await credentialFor(daemon, given)
  const report = await testNode(daemon, given, signal, credential)
  const connect = async (url: string, shown: NodeCredential | undefined): Promise<void> =>
    drive.changeNode(await daemon.connectNode(url, shown))
  if (given.url === before) {
    // The same store cannot be open twice; only the key may differ.
    await save(daemon, given.url, credential)
    await daemon.reopen()
    return report
  }
  await connect(given.url, credential)
  try {
    await drain(drive.sync, { signal, progress, clock: systemClock, persistent: false })
    const height = drive.sync.status().published?.height ?? 0
    const found = await findPublished(drive.node, requireKey(daemon), signal)
    if ((found?.version.commit.height ?? 0) < height) {
      throw new DriveError('NODE_ERROR', 'The node did not take the published version, so the drive keeps its node.')
    }
    await save(daemon, given.url, credential)
  } catch (error) {
    await connect(before, await daemon.nodeCredential(before))
    if (isDriveError(error, 'NOT_FOUND')) throw notAllHere(error)
    throw error
  }
  return report
}

/** What another device wrote is on the node before, and is not fetched from there to be sent on. */
function notAllHere(cause: DriveError): DriveError {
  return new DriveError(
    'NOT_SUPPORTED',
    'This machine does not hold all of the drive, so it cannot send it to another node. The node before stays.',
    { cause },
  )
}

/** The key given, or the one kept for that node, with who listens there now: repeating the command accepts that. */
async function credentialFor(
  daemon: Daemon,
  { url, key }: NodeRequest & { readonly url: string },
): Promise<NodeCredential | undefined> {
  requireNodeUrl(url)
  const shown = key ?? (await daemon.nodeCredential(url))?.key
  return shown === undefined ? undefined : daemon.nodeCredential(url, shown)
}

/** A key is bound to its node, so at every moment between these steps the configured node has its own. */
async function save(daemon: Daemon, url: string, credential: NodeCredential | undefined): Promise<void> {
  const { configFile, nodeKeyFile } = daemon.paths
  await saveNodeKey(nodeKeyFile, url, credential)
  await writeConfig(configFile, { ...(await daemon.config()), nodeUrl: url })
  await keepOnlyNodeKey(nodeKeyFile, url)
}

function requireKey(daemon: Daemon): Uint8Array {
  if (daemon.rootKey === undefined) throw new DriveError('LOCKED', 'The drive is locked; its passphrase is needed.')
  return daemon.rootKey
}
