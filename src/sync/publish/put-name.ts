/** Puts a signed record on a node, reads it back and compares. */
import { DriveError, isDriveError } from '../../base/index.js'
import type { CidText, IpfsNode } from '../../node/index.js'
import type { DriveNames, NamedHead } from '../heads/heads.js'

/**
 * What counts is which version the name now points to under which sequence: the node may hold another record that says
 * the same.
 * @throws DIVERGED when the node holds a record of an equal or greater sequence that says something else
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
  throw new DriveError('NODE_ERROR', 'The node does not give back the name record it was given.')
}

function says(wanted: NamedHead, held: NamedHead | undefined): boolean {
  return held !== undefined && Buffer.compare(held.root, wanted.root) === 0 && held.sequence === wanted.sequence
}
