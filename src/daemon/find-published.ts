/** Whether a node knows a drive of this key. */
import { isDriveError } from '../base/index.js'
import { deriveDriveKeys, type RootKey } from '../crypto/index.js'
import type { IpfsNode } from '../node/index.js'
import { openExisting, type OpenedDrive } from '../sync/index.js'

/** Undefined only when the node says that it knows none; every doubt is an error, as it might lead to an empty drive. */
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
