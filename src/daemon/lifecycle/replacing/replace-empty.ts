/**
 * Makes room for the drive of a recovery phrase in a home that has an empty drive, such as one made by an `up` without
 * `--phrase-file`. That drive is proven empty, and the other one found, before anything is changed. Other commands may
 * use it while its node and the other one are asked, so its files are looked at again when it is closed.
 */
import { join } from 'node:path'
import { DriveError, systemClock } from '../../../base/index.js'
import type { RootKey } from '../../../crypto/index.js'
import { hasRows } from '../../../storage/kv/index.js'
import { TABLES } from '../../../tree-state/index.js'
import { mountedAt } from '../../mounts/busy.js'
import { findPublished } from '../../nodes/find-published.js'
import type { NodeCredential } from '../../keys/node-keys.js'
import type { Daemon } from '../contract.js'
import type { Drive } from '../drive.js'
import { setAside } from './set-aside.js'

/** The drive that is to be opened instead. */
export interface WantedDrive {
  readonly nodeUrl: string
  readonly credential: NodeCredential | undefined
  readonly rootKey: RootKey
}

/**
 * Afterwards the home has no drive.
 * @returns the folder that has the empty drive now
 * @throws DRIVE_EXISTS if the drive here is not empty, BUSY while it is mounted, NO_DRIVE if the node does not know the
 * wanted one; the node's errors if either node cannot be asked. Nothing is changed then.
 */
export async function replaceEmpty(daemon: Daemon, wanted: WantedDrive, signal: AbortSignal): Promise<string> {
  const drive = await daemon.requireDrive()
  await requireEmpty(daemon, drive, signal)
  await requirePublished(daemon, drive, wanted, signal)
  let folder = ''
  await daemon.release(
    drive,
    () => requireNoEntries(daemon.paths.dataDirectory),
    async () => {
      folder = await setAside(daemon.paths, systemClock.nowMs())
    },
  )
  return folder
}

/** Of a closed drive that was open before: so its root directory is loaded. */
async function requireNoEntries(dataDirectory: string): Promise<void> {
  if (await hasRows(join(dataDirectory, 'meta'), [TABLES.dentries])) throw notEmpty()
}

async function requireEmpty(daemon: Daemon, drive: Drive, signal: AbortSignal): Promise<void> {
  const [mount] = drive.mounts
  if (mount !== undefined) throw mountedAt(mount.directory)
  const { openedExisting, deviceSlot } = await daemon.config()
  const { entries } = await drive.files.list({ path: '' }, { limit: 1 })
  const { held, staged } = await drive.counts()
  const { published, newer } = drive.sync.status()
  const isLocal = entries.length === 0 && held.files === 0 && staged.files === 0
  const isOwn = !openedExisting && newer === undefined && (published?.deviceSlot ?? deviceSlot) === deviceSlot
  // First, because its files are not to be moved out: the other device would lose them.
  if (!isOwn) throw isShared()
  if (!isLocal) throw notEmpty()
  if (daemon.rootKey === undefined) throw new DriveError('LOCKED', 'The drive is locked; its passphrase is needed.')
  // Another device may have opened this drive, and published in it.
  const found = await findPublished(drive.node, daemon.rootKey, signal)
  if (found === undefined) return
  const { commit } = found.version
  if (commit.deviceSlot !== deviceSlot || commit.height > (published?.height ?? 0)) throw isShared()
}

async function requirePublished(
  daemon: Daemon,
  drive: Drive,
  { nodeUrl, credential, rootKey }: WantedDrive,
  signal: AbortSignal,
): Promise<void> {
  if (nodeUrl === 'embedded')
    throw new DriveError('USAGE', '--replace-empty needs the node of the drive to open: --node URL.')
  // One store cannot be open twice.
  const isSame = nodeUrl === (await daemon.config()).nodeUrl
  const node = isSame ? drive.node : await daemon.connectNode(nodeUrl, credential)
  try {
    await node.check({ signal })
    if ((await findPublished(node, rootKey, signal)) !== undefined) return
    throw new DriveError('NO_DRIVE', 'The node knows no drive of this recovery phrase. Nothing was changed.')
  } finally {
    if (!isSame) {
      node.abandon?.()
      await node.close()
    }
  }
}

function notEmpty(): DriveError {
  return new DriveError(
    'DRIVE_EXISTS',
    'The drive of this home is not empty, so it is not replaced. Nothing was changed. To replace it, move its files out of it ("dagdrive mount DIR"), then "dagdrive unmount", and repeat the command.',
  )
}

function isShared(): DriveError {
  return new DriveError(
    'DRIVE_EXISTS',
    'The drive of this home is not replaced, because another device uses it. Nothing was changed.',
  )
}
