/** Finds the drive of this key on a node. */
import { DriveError, isDriveError, type Log } from '../../base/index.js'
import { readConfig, writeConfig, type DrivePaths } from '../../platform/index.js'
import { deriveDriveKeys, type RootKey } from '../../crypto/index.js'
import type { IpfsNode } from '../../node/index.js'
import { claimOpened, openExisting, type OpenedDrive } from '../../sync/index.js'
import { isMarkedPublished } from './published-mark.js'

/**
 * Undefined only if the node answers that it knows none. Every doubt is an error, because undefined may lead to an
 * empty drive.
 */
export async function findPublished(
  node: IpfsNode,
  rootKey: RootKey,
  signal?: AbortSignal,
): Promise<OpenedDrive | undefined> {
  try {
    return await openExisting({ node, keys: deriveDriveKeys(rootKey), ...(signal === undefined ? {} : { signal }) })
  } catch (error) {
    if (isDriveError(error, 'NO_DRIVE')) return undefined
    throw error
  }
}

/** Like `findPublished`. When it resolves, the device owns its slot. */
export async function openPublished(
  node: IpfsNode,
  rootKey: RootKey,
  signal?: AbortSignal,
): Promise<OpenedDrive | undefined> {
  const found = await findPublished(node, rootKey, signal)
  const options = { node, keys: deriveDriveKeys(rootKey), ...(signal === undefined ? {} : { signal }) }
  if (found !== undefined) await claimOpened(options, found)
  return found
}

/**
 * For a key without a local tree: the local data were lost, or the creation of the drive was interrupted. An empty tree
 * must never replace a published one.
 * @throws NO_DRIVE when this home has published or opened a drive before and the node does not know it
 */
export async function findAgain(options: {
  readonly node: IpfsNode
  readonly rootKey: RootKey
  readonly paths: Pick<DrivePaths, 'configFile' | 'keyFile' | 'publishedFile'>
  readonly log: Log
}): Promise<OpenedDrive | undefined> {
  const { configFile, publishedFile } = options.paths
  const found = await openPublished(options.node, options.rootKey)
  const config = await readConfig(options.paths)
  if (found !== undefined) {
    options.log.warn('there are no local data; opening the published drive')
    await writeConfig(configFile, { ...config, deviceSlot: found.deviceSlot, openedExisting: true })
  } else if (config.openedExisting || (await isMarkedPublished(publishedFile))) {
    throw new DriveError(
      'NO_DRIVE',
      'The local data of this drive are gone, and its node knows no drive of this key, so nothing was made. Is the drive on another node? ' +
        '`dagdrive node set URL` opens it there. To begin with an empty one: `dagdrive up DIR --phrase-file FILE --new`.',
    )
  }
  return found
}
