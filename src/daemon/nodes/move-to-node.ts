/**
 * Publishing to another node from now on. Where the drive is going is durable before anything is sent; it is there when
 * the node has the published version and the configuration says so, in one write. Until then, and after any failure,
 * the node before stays the drive's node, and nothing that only the other one has may leave this machine.
 */
import type { NodeReport, NodeRequest, OperationContext } from '../../api/index.js'
import { DriveError, isDriveError, systemClock, toWire } from '../../base/index.js'
import type { IpfsNode } from '../../node/index.js'
import { writeConfig, type DriveConfig } from '../../platform/index.js'
import { keepOnlyNodeKey, saveNodeKey, type NodeCredential } from '../keys/node-keys.js'
import type { Daemon } from '../lifecycle/daemon.js'
import type { Drive } from '../lifecycle/drive.js'
import { drain } from '../control/drain.js'
import { findPublished } from './find-published.js'
import { requireNodeUrl, testNode } from '../control/test-node.js'
import { reopeningNode } from './reopening-node.js'

type Context = OperationContext<'nodeSet'>

export async function moveToNode(
  daemon: Daemon,
  given: NodeRequest & { readonly url: string },
  context: Context,
): Promise<NodeReport> {
  const drive = await daemon.requireDrive()
  const before = (await daemon.config()).nodeUrl
  const credential = await credentialFor(daemon, given)
  const report = await testNode(daemon, given, context.signal, credential)
  const { configFile, nodeKeyFile } = daemon.paths
  // A key is bound to its node, so at every moment between these steps the configured node has its own.
  await saveNodeKey(nodeKeyFile, given.url, credential)
  if (given.url === before) {
    await arrive(daemon, given.url)
    await changeTo(daemon, drive, given.url)
    return report
  }
  await writeConfig(configFile, { ...(await daemon.config()), movingTo: given.url })
  try {
    await drive.changeNode(await daemon.connectNode(given.url, credential), true)
    await publishThere(daemon, drive, context)
    await writeConfig(configFile, settledAt(given.url, await daemon.config()))
  } catch (error) {
    await goBack(daemon, drive, before)
    if (isDriveError(error, 'NOT_FOUND')) throw notAllHere(error)
    throw error
  }
  drive.sync.keepNode()
  await finish(daemon, drive, given.url, context)
  return report
}

/** Everything up to now is named on the node that is not the drive's yet. */
async function publishThere(daemon: Daemon, drive: Drive, { signal, progress }: Context): Promise<void> {
  await drain(drive.sync, { signal, progress, clock: systemClock, persistent: false })
  const height = drive.sync.status().published?.height ?? 0
  const found = await findPublished(drive.node, requireKey(daemon), signal)
  if ((found?.version.commit.height ?? 0) >= height) return
  throw new DriveError('NODE_ERROR', 'The node did not take the published version, so the drive keeps its node.')
}

async function goBack(daemon: Daemon, drive: Drive, before: string): Promise<void> {
  await changeTo(daemon, drive, before)
  await arrive(daemon, before).catch((error: unknown) => {
    // The move that was begun stays noted, and status names it.
    daemon.log.warn('that the drive keeps its node could not be saved', { code: toWire(error).code })
  })
}

/**
 * To the configured node, with the key kept for it. The same store cannot be open twice: it opens when the one before
 * is closed.
 */
function changeTo(daemon: Daemon, drive: Drive, url: string): Promise<void> {
  const open = async (): Promise<IpfsNode> => daemon.connectNode(url, await daemon.nodeCredential(url))
  return drive.changeNode(reopeningNode(url, open), false)
}

/** The drive is there; what is left to do may wait, and goes on by itself. */
async function finish(daemon: Daemon, drive: Drive, url: string, { signal, progress }: Context): Promise<void> {
  try {
    await keepOnlyNodeKey(daemon.paths.nodeKeyFile, url)
    await drain(drive.sync, { signal, progress, clock: systemClock, persistent: false })
  } catch (error) {
    daemon.log.warn('the drive has moved to another node; not all of the rest is done', { code: toWire(error).code })
  }
}

async function arrive(daemon: Daemon, url: string): Promise<void> {
  const { configFile, nodeKeyFile } = daemon.paths
  await writeConfig(configFile, settledAt(url, await daemon.config()))
  await keepOnlyNodeKey(nodeKeyFile, url)
}

function settledAt(url: string, config: DriveConfig): DriveConfig {
  const { movingTo: _, ...rest } = config
  return { ...rest, nodeUrl: url }
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

function requireKey(daemon: Daemon): Uint8Array {
  if (daemon.rootKey === undefined) throw new DriveError('LOCKED', 'The drive is locked; its passphrase is needed.')
  return daemon.rootKey
}
