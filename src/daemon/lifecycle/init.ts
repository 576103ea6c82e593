/** Creates a drive, or opens a published one from its phrase. Never overwrites a local key or a published head. */
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import type { InitReport, InitRequest } from '../../api/index.js'
import {
  DEFAULT_CONFIG,
  isDeviceName,
  readHomeFile,
  requireNodeUrl,
  spaceOf,
  writeConfig,
  type DriveConfig,
} from '../../platform/index.js'
import { DriveError, MIB, systemRandom, toWire } from '../../base/index.js'
import { createRootKey, phraseOfRootKey, rootKeyOfPhrase } from '../../crypto/index.js'
import { writeKeyFile } from '../keys/key-file.js'
import { saveNodeKey } from '../keys/node-keys.js'
import { requireFuse } from '../doctor/doctor.js'
import { mountedAt } from '../mounts/busy.js'
import { requireMountable, resolveFully } from '../mounts/mount-directory.js'
import { createAgain } from './create-again.js'
import { replaceEmpty, type WantedDrive } from './replacing/replace-empty.js'
import type { Daemon } from './contract.js'
import { findPublished, openPublished } from '../nodes/find-published.js'
import { unmarkPublished } from '../nodes/published-mark.js'
import { nodeReportOf } from '../control/status.js'

export async function initDrive(daemon: Daemon, request: InitRequest, signal: AbortSignal): Promise<InitReport> {
  const { paths } = daemon
  await daemon.settled()
  if (daemon.state === 'failed' && request.phrase !== undefined && request.isNew === true) {
    return createAgain(daemon, request.phrase, signal)
  }
  const hasDrive = daemon.state !== 'no-drive' || (await readHomeFile(paths.keyFile)) !== undefined
  if (hasDrive && request.replaceEmpty !== true) {
    throw new DriveError('DRIVE_EXISTS', 'There is already a drive here. Nothing was changed.')
  }
  if (request.replaceEmpty === true && (request.phrase === undefined || request.isNew === true))
    throw new DriveError('USAGE', '--replace-empty opens a published drive: it needs --phrase-file, without --new.')
  // First, because it may be mounted at `mountAt`.
  const [mount] = daemon.drive?.mounts ?? []
  if (mount !== undefined) throw mountedAt(mount.directory)
  if (request.mountAt !== undefined) {
    await requireFuse()
    await requireMountable(await resolveFully(request.mountAt), paths, request)
  }
  await requireRoom(dirname(paths.dataDirectory))
  const { movingTo: _, ...config } = await daemon.config()
  const nodeUrl = request.nodeUrl ?? config.nodeUrl
  requireNodeUrl(nodeUrl)
  if (request.deviceName !== undefined && !isDeviceName(request.deviceName)) {
    throw new DriveError('USAGE', 'A device name has at most 255 bytes and no control characters.')
  }
  const credential = await daemon.nodeCredential(nodeUrl, request.nodeKey)
  const rootKey = request.phrase === undefined ? createRootKey(systemRandom) : rootKeyOfPhrase(request.phrase)
  const wanted = { nodeUrl, credential, rootKey }
  if (!hasDrive) return makeDrive(daemon, request, { ...wanted, config, isReplacing: false }, signal)
  const replaced = await replaceEmpty(daemon, wanted, signal)
  try {
    return { ...(await makeDrive(daemon, request, { ...wanted, config, isReplacing: true }, signal)), replaced }
  } catch (error) {
    const { code, message, about } = toWire(error)
    throw new DriveError(code, `${message} The empty drive that was here is in ${replaced}.`, { cause: error, about })
  }
}

/** A drive that is made half would be left with a key whose phrase nobody has seen. */
async function requireRoom(directory: string): Promise<void> {
  const { availableBytes } = await spaceOf(directory)
  if (availableBytes < LEAST_ROOM_BYTES)
    throw new DriveError('NO_SPACE', `The disk is full: ${directory} needs 4 MiB for a new drive. Nothing was made.`)
}

const LEAST_ROOM_BYTES = 4 * MIB

interface Preparation extends WantedDrive {
  readonly config: DriveConfig
  /** The credential of the node was in the home of the drive before. */
  readonly isReplacing: boolean
}

async function makeDrive(
  daemon: Daemon,
  request: InitRequest,
  { nodeUrl, credential, rootKey, config, isReplacing }: Preparation,
  signal: AbortSignal,
): Promise<InitReport> {
  const { paths } = daemon
  const node = await daemon.connectNode(nodeUrl, credential)
  let kept = false
  try {
    // The node is checked even if nothing is opened, so that a node that cannot be used is noticed now.
    const status = await node.check({ signal })
    const open = request.isNew === true ? findPublished : openPublished
    const found = request.phrase === undefined ? undefined : await open(node, rootKey, signal)
    if (request.phrase !== undefined) requireExpected(found !== undefined, request)
    if (request.nodeKey !== undefined || isReplacing) await saveNodeKey(paths.nodeKeyFile, nodeUrl, credential)
    await writeConfig(paths.configFile, {
      ...config,
      nodeUrl,
      deviceSlot: found?.deviceSlot ?? DEFAULT_CONFIG.deviceSlot,
      deviceName: request.deviceName ?? ownName(found?.deviceSlot),
      openedExisting: found !== undefined,
    })
    if (found === undefined) await unmarkPublished(paths.publishedFile)
    // Last, because a key file means that the drive exists.
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
    if (!kept) {
      node.abandon?.()
      await node.close()
    }
  }
}

/** The host name, which several machines may share. Of the slots, each device has its own. */
function ownName(deviceSlot: number | undefined): string {
  const host = hostname()
  const name = host !== '' && isDeviceName(host) ? host : DEFAULT_CONFIG.deviceName
  return deviceSlot === undefined ? name : `${name} (${deviceSlot + 1})`
}

/** A phrase usually means that a drive exists. An empty one must not replace it because of a wrong node address. */
function requireExpected(isFound: boolean, { isNew = false, nodeUrl }: InitRequest): void {
  if (isFound && isNew) {
    throw new DriveError(
      'DRIVE_EXISTS',
      'The node knows a drive of this recovery phrase. Leave out --new to open it. Nothing was changed.',
    )
  }
  if (isFound || isNew) return
  throw new DriveError(
    'NO_DRIVE',
    `${nodeUrl === undefined ? NODE_LEFT_OUT : NODE_WITHOUT} Nothing was created. --new creates an empty drive with this phrase.`,
  )
}

const NODE_WITHOUT = 'The node knows no drive of this recovery phrase: is it on another node?'
const NODE_LEFT_OUT = 'No drive of this recovery phrase is on this machine. Name its node with --node URL.'
