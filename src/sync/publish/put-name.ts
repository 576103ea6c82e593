/**
 * Puts a signed record on a node, reads it back and compares. A name may be out of reach: a lost device can sign a
 * record with the highest sequence, and a node keeps that one, even after it has expired and is no longer returned.
 */
import { DriveError, isDriveError } from '../../base/index.js'
import type { CidText, IpfsNode } from '../../node/index.js'
import type { IgnoredHead } from '../heads/credible.js'
import { UNUSABLE, type DriveNames, type NamedHead } from '../heads/drive-names.js'
import type { NameNotices } from '../heads/name-notices.js'

export interface NamePutter {
  readonly node: Pick<IpfsNode, 'putName' | 'getName'>
  readonly names: DriveNames
  readonly notices: Pick<NameNotices, 'put'>
}

/**
 * @param of the drive, or the device in a slot
 * @param ignored the heads that are not credible now
 * @returns whether the name points to the version; false when it cannot be moved
 * @throws DIVERGED when the node holds a different, credible record with an equal or greater sequence
 */
export async function moveName(
  of: IgnoredHead['name'],
  record: Uint8Array,
  ignored: readonly IgnoredHead[],
  { node, names, notices }: NamePutter,
  signal: AbortSignal,
): Promise<boolean> {
  const isIgnored = ignored.some((head) => head.name === of)
  const name = of === 'drive' ? names.drive : names.device(of)
  const isMoved = await putName(name, record, { node, names, isIgnored }, signal)
  notices.put(of, isMoved)
  return isMoved
}

/** @param isIgnored the record that the node holds is not credible */
export async function putName(
  name: CidText,
  record: Uint8Array,
  { node, names, isIgnored = false }: Omit<NamePutter, 'notices'> & { readonly isIgnored?: boolean },
  signal: AbortSignal,
): Promise<boolean> {
  const wanted = names.open(name, record)
  // Only the version and the sequence matter: the node may hold another record with the same content.
  const says = (held: NamedHead): boolean =>
    Buffer.compare(held.root, wanted.root) === 0 && held.sequence === wanted.sequence
  for (let tries = 1; ; tries++) {
    const failure = await node.putName(name, record, { signal }).catch((error: unknown) => {
      if (isDriveError(error, 'DIVERGED') || isDriveError(error, 'NOT_FOUND')) return error
      throw error
    })
    const held = await names.read(name, node, { signal })
    if (held === UNUSABLE) return false
    if (held !== undefined && says(held)) return true
    if (failure?.code === 'DIVERGED' && isIgnored) return false
    // Kubo takes the record and returns none: it holds one with a higher sequence that has expired.
    const isHidden = failure?.code === 'NOT_FOUND' && held === undefined
    if (isHidden && tries === 1) continue
    if (isHidden) return false
    throw failure ?? new DriveError('NODE_ERROR', 'The node does not return the name record it was given.')
  }
}

/** Neither the drive name nor the head of this device can be moved. */
export function noNameMoves(): DriveError {
  return new DriveError(
    'NODE_ERROR',
    'Neither the name of the drive nor the head of this device can be moved on the node: records with higher numbers stand in the way. ' +
      'Nothing is lost; local changes stay staged. Another node may take them (`dagdrive node set URL`).',
  )
}
