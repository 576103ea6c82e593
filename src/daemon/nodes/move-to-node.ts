/**
 * Publishing to another node from now on. The node counts only when it has the published version: until then, and after any
 * failure, the node before stays the drive's node.
 */
import { unlink } from 'node:fs/promises'
import type { NodeReport, NodeRequest, OperationContext } from '../../api/index.js'
import { DriveError, isDriveError, systemClock } from '../../base/index.js'
import { writeConfig, writePrivateFile } from '../../platform/index.js'
import type { Daemon } from '../lifecycle/daemon.js'
import { drain } from '../control/drain.js'
import { findPublished } from './find-published.js'
import { testNode } from '../control/test-node.js'

export async function moveToNode(
  daemon: Daemon,
  given: NodeRequest & { readonly url: string },
  { signal, progress }: OperationContext<'nodeSet'>,
): Promise<NodeReport> {
  const drive = await daemon.requireDrive()
  const report = await testNode(daemon, given, signal)
  const before = { url: (await daemon.config()).nodeUrl, key: await daemon.nodeKey() }
  // A key belongs to its node: it is not sent to another address.
  const key = given.key ?? (given.url === before.url ? before.key : undefined)
  const connect = async (to: { url: string; key: string | undefined }): Promise<void> =>
    drive.changeNode(await daemon.connectNode(to.url, to.key))
  if (given.url === before.url) {
    // The same store cannot be open twice; only the key may differ.
    await save(daemon, { url: given.url, key })
    await daemon.reopen()
    return report
  }
  await connect({ url: given.url, key })
  try {
    await drain(drive.sync, { signal, progress, clock: systemClock, persistent: false })
    const height = drive.sync.status().published?.height ?? 0
    const found = await findPublished(drive.node, requireKey(daemon), signal)
    if ((found?.version.commit.height ?? 0) < height) {
      throw new DriveError('NODE_ERROR', 'The node did not take the published version, so the drive keeps its node.')
    }
    await save(daemon, { url: given.url, key })
  } catch (error) {
    await connect(before)
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

async function save(daemon: Daemon, node: { url: string; key: string | undefined }): Promise<void> {
  const { paths } = daemon
  await writeConfig(paths.configFile, { ...(await daemon.config()), nodeUrl: node.url })
  if (node.key !== undefined) await writePrivateFile(paths.nodeKeyFile, `${node.key}\n`)
  else {
    await unlink(paths.nodeKeyFile).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
  }
}

function requireKey(daemon: Daemon): Uint8Array {
  if (daemon.rootKey === undefined) throw new DriveError('LOCKED', 'The drive is locked; its passphrase is needed.')
  return daemon.rootKey
}
