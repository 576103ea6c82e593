/**
 * Making a drive, or opening a published one from its phrase. Never overwrites: neither a key here nor a head there.
 */
import type { InitReport, InitRequest } from '../../api/index.js'
import { DEFAULT_CONFIG, isDeviceName, readFileIfAny, writeConfig } from '../../platform/index.js'
import { DriveError, systemRandom } from '../../base/index.js'
import { createRootKey, phraseOfRootKey, rootKeyOfPhrase } from '../../crypto/index.js'
import { writeKeyFile } from '../keys/key-file.js'
import { saveNodeKey } from '../keys/node-keys.js'
import { beginAnew } from './begin-anew.js'
import type { Daemon } from './daemon.js'
import { findPublished } from '../nodes/find-published.js'
import { unmarkPublished } from '../nodes/published-mark.js'
import { nodeReportOf } from '../control/status.js'
import { requireNodeUrl } from '../control/test-node.js'

export async function initDrive(daemon: Daemon, request: InitRequest, signal: AbortSignal): Promise<InitReport> {
  const { paths } = daemon
  await daemon.settled()
  if (daemon.state === 'failed' && request.phrase !== undefined && request.isNew === true) {
    return beginAnew(daemon, request.phrase, signal)
  }
  if (daemon.state !== 'no-drive' || (await readFileIfAny(paths.keyFile)) !== undefined) {
    throw new DriveError('DRIVE_EXISTS', 'There is a drive here already; nothing was changed.')
  }
  const config = await daemon.config()
  const nodeUrl = request.nodeUrl ?? config.nodeUrl
  requireNodeUrl(nodeUrl)
  if (request.deviceName !== undefined && !isDeviceName(request.deviceName)) {
    throw new DriveError('USAGE', 'A device name has at most 255 bytes and no control characters.')
  }
  const credential = await daemon.nodeCredential(nodeUrl, request.nodeKey)
  const rootKey = request.phrase === undefined ? createRootKey(systemRandom) : rootKeyOfPhrase(request.phrase)
  const node = await daemon.connectNode(nodeUrl, credential)
  let kept = false
  try {
    // Asked even when nothing is opened: a drive that cannot publish should be noticed now.
    const status = await node.check({ signal })
    const found = request.phrase === undefined ? undefined : await findPublished(node, rootKey, signal)
    if (request.phrase !== undefined) requireAsMeant(found !== undefined, request.isNew === true)
    if (request.nodeKey !== undefined) await saveNodeKey(paths.nodeKeyFile, nodeUrl, credential)
    await writeConfig(paths.configFile, {
      ...config,
      nodeUrl,
      deviceSlot: found?.deviceSlot ?? DEFAULT_CONFIG.deviceSlot,
      deviceName: request.deviceName ?? config.deviceName,
      openedExisting: found !== undefined,
    })
    if (found === undefined) await unmarkPublished(paths.publishedFile)
    // Last: with the key file the drive exists.
    await writeKeyFile(paths.keyFile, rootKey, { passphrase: request.passphrase, random: systemRandom })
    kept = true
    await daemon.open(rootKey, node, found)
    return {
      outcome: found === undefined ? 'created' : 'opened',
      phrase: request.phrase === undefined ? phraseOfRootKey(rootKey) : undefined,
      node: nodeReportOf(status),
      publishedHeight: found?.version.commit.height ?? 0,
    }
  } finally {
    if (!kept) await node.close()
  }
}

/**
 * Who gives a phrase expects a drive: an empty one must not take its place because a node, or an address, is another
 * one.
 */
function requireAsMeant(isFound: boolean, isNew: boolean): void {
  if (isFound && isNew) {
    throw new DriveError(
      'DRIVE_EXISTS',
      'The node knows a drive of this recovery phrase; open it by leaving out --new. Nothing was changed.',
    )
  }
  if (isFound || isNew) return
  throw new DriveError(
    'NO_DRIVE',
    'The node knows no drive of this recovery phrase: is it on another node? Nothing was made; --new makes a new, empty drive with this phrase.',
  )
}
