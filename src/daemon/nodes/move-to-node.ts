/**
 * Moves the drive to another node. The target is recorded durably before anything is sent. The move is complete when
 * the target holds the published version and one write of the configuration names it. Until then, and after any
 * failure, the previous node stays the drive's node, and blocks that only the target holds may not be evicted here.
 */
import type { NodeReport, NodeRequest, OperationContext, StatusReport } from '../../api/index.js'
import { DriveError, isDriveError, systemClock, throwIfAborted, toWire } from '../../base/index.js'
import type { IpfsNode } from '../../node/index.js'
import { requireNodeUrl, writeConfig, type DriveConfig } from '../../platform/index.js'
import { keepOnlyNodeKey, saveNodeKey, type NodeCredential } from '../keys/node-keys.js'
import type { Daemon } from '../lifecycle/contract.js'
import type { Drive } from '../lifecycle/drive.js'
import { drain } from '../control/drain.js'
import { chooseNode } from './choose-node.js'
import { findPublished } from './find-published.js'
import { testNode } from '../control/test-node.js'
import { reopeningNode } from './reopening-node.js'

type Context = OperationContext<'nodeSet'>

/** A node that needs longer is treated as away. */
const PATIENCE_MS = 20_000

export async function moveToNode(
  daemon: Daemon,
  given: NodeRequest & { readonly url: string },
  context: Context,
): Promise<NodeReport> {
  const credential = await credentialFor(daemon, given)
  const drive = await daemon.requireDrive().catch((error: unknown) => {
    if (!isDriveError(error, 'NO_DRIVE') || daemon.state !== 'failed') throw error
    return undefined
  })
  if (drive === undefined) return chooseNode(daemon, given, credential, context.signal)
  const before = (await daemon.config()).nodeUrl
  const { newer } = drive.sync.status()
  if (given.url === before && drive.node.capabilities.isOwnStore) {
    await arrive(daemon, before)
    await changeTo(daemon, drive, before)
    return testNode(daemon, given, { signal: context.signal })
  }
  const report = await testNode(daemon, given, { signal: context.signal, credential })
  const { configFile, nodeKeyFile } = daemon.paths
  // A key is bound to its node, so the configured node keeps its own key during all these steps.
  await saveNodeKey(nodeKeyFile, given.url, credential)
  if (given.url === before) {
    await arrive(daemon, given.url)
    await changeTo(daemon, drive, given.url)
    return report
  }
  await hearOfDevices(daemon, drive, context.signal)
  await writeConfig(configFile, { ...(await daemon.config()), movingTo: given.url })
  let target: IpfsNode | undefined
  try {
    target = await daemon.connectNode(given.url, credential)
    await drive.changeNode(target, true)
    await publishThere(daemon, drive, newer, context)
    await writeConfig(configFile, settledAt(given.url, await daemon.config()))
  } catch (error) {
    // What was sent stays for a repetition.
    if (!isDriveError(error, 'ABORTED')) target?.abandon?.()
    await goBack(daemon, drive, before)
    if (isDriveError(error, 'NOT_FOUND')) throw notAllHere(error)
    throw error
  }
  drive.sync.keepNode()
  await finish(daemon, drive, given.url, context)
  return report
}

/**
 * Publishes everything up to now on the target, which is not the drive's node yet.
 * @param newer what another device published, as seen on the previous node
 */
async function publishThere(
  daemon: Daemon,
  drive: Drive,
  newer: StatusReport['newer'],
  { signal, progress }: Context,
): Promise<void> {
  await drain(drive.sync, { signal, progress, clock: systemClock, persistent: false })
  const height = drive.sync.status().published?.height ?? 0
  const found = await findPublished(drive.node, requireKey(daemon), signal)
  const there = found?.version.commit.height ?? 0
  if (newer !== undefined && there < newer.height) throw leftBehind(newer)
  if (there >= height) return
  throw new DriveError('NODE_ERROR', 'The node does not have the published version, so the drive keeps its node.')
}

/** Devices that came since the last publish: their slots are to be kept on the new node. The old one may be away. */
async function hearOfDevices(daemon: Daemon, { sync }: Drive, signal: AbortSignal): Promise<void> {
  if (sync.status().node.state === 'unreachable') return
  try {
    await sync.hearOfDevices(AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]))
  } catch (error) {
    throwIfAborted(signal)
    daemon.log.warn('the node did not say which devices there are', { code: toWire(error).code })
  }
}

async function goBack(daemon: Daemon, drive: Drive, before: string): Promise<void> {
  await changeTo(daemon, drive, before)
  await arrive(daemon, before).catch((error: unknown) => {
    // `movingTo` stays in the configuration, and `status` reports it.
    daemon.log.warn('the cancelled move could not be saved in the configuration', { code: toWire(error).code })
  })
}

/**
 * Changes to the configured node with its stored key. One store cannot be open twice, so the new node is opened after
 * the old one is closed.
 */
function changeTo(daemon: Daemon, drive: Drive, url: string): Promise<void> {
  const open = async (): Promise<IpfsNode> => daemon.connectNode(url, await daemon.nodeCredential(url))
  return drive.changeNode(reopeningNode(url, open), false)
}

/** The drive has moved; the remaining work may wait and continues in the background. */
async function finish(daemon: Daemon, drive: Drive, url: string, { signal, progress }: Context): Promise<void> {
  try {
    await keepOnlyNodeKey(daemon.paths.nodeKeyFile, url)
    await drain(drive.sync, { signal, progress, clock: systemClock, persistent: false })
  } catch (error) {
    daemon.log.warn('the drive has moved to another node, but the final drain is incomplete', {
      code: toWire(error).code,
    })
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

function leftBehind({ deviceName, height }: NonNullable<StatusReport['newer']>): DriveError {
  return new DriveError(
    'DIVERGED',
    `Device ${JSON.stringify(deviceName)} has published version ${height} on the current node, and the other node does not have it. ` +
      'Unmount and mount to take it over, then move. The drive keeps its node.',
  )
}

/** Blocks written by another device may be only on the previous node. They are not fetched from there to be sent on. */
function notAllHere(cause: DriveError): DriveError {
  return new DriveError(
    'NOT_SUPPORTED',
    'This machine does not hold all of the drive, so it cannot send it to another node. The drive stays on its current node.',
    { cause },
  )
}

/**
 * The given key, or the stored one of that node, bound to the process that listens there now: the repeated command
 * confirms that process.
 */
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
