/**
 * `node forget`: removes the embedded store that the drive left when it moved to another node. First everything that
 * the store keeps is read back from the node that is configured now; then its folder is renamed, and its files are
 * removed. A removal that was interrupted is finished by the next call.
 */
import type { ForgetReport, OperationContext } from '../../api/index.js'
import { DriveError, throwIfAborted } from '../../base/index.js'
import { finishRemoval, forgottenFolderOf, openLeftStore, type RemovedStore } from '../../node/index.js'
import type { Unconfirmed } from '../../sync/index.js'
import type { Daemon } from '../lifecycle/contract.js'
import { doFoldersOverlap, nodeFolderOf } from './overlapping-folders.js'

/**
 * Nobody moves the drive meanwhile.
 * @throws INVALID if the store is the drive's node, or their folders overlap; LOCKED if a program uses it
 * @throws BUSY if a move is not finished; NODE_ERROR, with the numbers, if something of it is not confirmed
 * @throws errors of the node and of the store. Nothing was removed then
 */
export async function forgetStore(
  daemon: Pick<Daemon, 'paths' | 'config' | 'requireDrive'>,
  { signal, progress }: OperationContext<'nodeForget'>,
): Promise<ForgetReport> {
  const path = daemon.paths.embeddedNodeDirectory
  const { nodeUrl, movingTo } = await daemon.config()
  await requireApart(path, [nodeUrl, movingTo])
  const before = await finishRemoval(path)
  if (nodeUrl === 'embedded') {
    if (before !== undefined) return reportOf(before)
    throw new DriveError('INVALID', 'The embedded store is the node of this drive: `dagdrive node set URL` moves it.')
  }
  if (movingTo !== undefined)
    throw new DriveError(
      'BUSY',
      'A move to another node was not finished, so nothing was removed. Run `dagdrive node set URL` first.',
    )
  const store = await openLeftStore(path)
  if (store === undefined) return before === undefined ? NOTHING : reportOf(before)
  try {
    const { sync } = await daemon.requireDrive()
    requireNone(await sync.unconfirmed(store, signal, progress))
    throwIfAborted(signal)
  } catch (error) {
    await store.close()
    throw error
  }
  const removed = await store.remove()
  return reportOf({ ...removed, freedBytes: removed.freedBytes + (before?.freedBytes ?? 0) })
}

/** The folder of the node may be among what is removed: a configuration may be old, and folders move. */
async function requireApart(path: string, addresses: readonly (string | undefined)[]): Promise<void> {
  for (const address of addresses) {
    if (address === undefined) continue
    const isEmbedded = address === 'embedded'
    const folder = isEmbedded ? path : nodeFolderOf(address)
    if (folder === undefined) continue
    for (const removed of isEmbedded ? [forgottenFolderOf(path)] : [path, forgottenFolderOf(path)]) {
      if (!(await doFoldersOverlap(folder, removed))) continue
      throw new DriveError(
        'INVALID',
        `The node of this drive is in ${removed}, or holds it, so nothing was removed. Move the drive first: \`dagdrive node set URL\`.`,
        { about: { where: folder } },
      )
    }
  }
}

const NOTHING: ForgetReport = { removed: false, freedBytes: 0, left: 0, where: undefined }

function reportOf({ freedBytes, left, where }: RemovedStore): ForgetReport {
  return { removed: true, freedBytes, left, where: left === 0 ? undefined : where }
}

function requireNone({ heads, versions, blocks }: Unconfirmed): void {
  if (heads + versions + blocks === 0) return
  throw new DriveError(
    'NODE_ERROR',
    `The node has not confirmed all that the embedded store holds: ${heads} heads, ${versions} versions and ${blocks} blocks are missing ` +
      'or damaged there. Nothing was removed: the store may have the only good copies. `dagdrive sync` and ' +
      '`dagdrive fsck --node --repair` send them again.',
    { about: { heads, versions, blocks } },
  )
}
