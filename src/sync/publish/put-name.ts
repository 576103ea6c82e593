/** Puts a signed record on a node, reads it back and compares. */
import { DriveError, isDriveError } from '../../base/index.js'
import type { CidText, IpfsNode } from '../../node/index.js'
import type { DriveNames, NamedHead } from '../heads/heads.js'

/**
 * Only the version and the sequence of the name matter: the node may hold another record with the same content.
 * @throws DIVERGED when the node holds a different record with an equal or greater sequence
 */
export async function putName(
  name: CidText,
  record: Uint8Array,
  names: DriveNames,
  node: Pick<IpfsNode, 'putName' | 'getName'>,
  signal: AbortSignal,
): Promise<void> {
  const wanted = names.open(name, record)
  try {
    await node.putName(name, record, { signal })
  } catch (error) {
    if (!isDriveError(error, 'DIVERGED')) throw error
    if (!says(wanted, await names.read(name, node, { signal }))) throw error
    return
  }
  if (says(wanted, await names.read(name, node, { signal }))) return
  throw new DriveError('NODE_ERROR', 'The node does not return the name record it was given.')
}

function says(wanted: NamedHead, held: NamedHead | undefined): boolean {
  return held !== undefined && Buffer.compare(held.root, wanted.root) === 0 && held.sequence === wanted.sequence
}
