/**
 * One node of a table by itself: the nodes below it, or its rows. For a walk that reads every node once, in any order,
 * and that must not hold a path.
 */
import { isDriveError, type FileId } from '../../base/index.js'
import type { EntryRecord, FileChunk, TreeRef } from '../contract.js'
import { corrupt } from '../corrupt.js'
import { decodeMapNode } from '../map/map-node.js'
import { isMapLeaf } from '../map/map-read.js'
import { decodeEntry, decodeFileChunk } from './entry-record.js'
import { isFileName, linkedEntry } from './tables.js'

/** `counts`: the table of refcounts, whose rows are not read here. */
export type TableKind = 'directory' | 'chunks' | 'links' | 'counts'

export interface TableNode {
  readonly below: readonly TreeRef[]
  /** Of a directory or the link table. */
  readonly entries: readonly EntryRecord[]
  readonly chunks: readonly Pick<FileChunk, 'digest'>[]
  /** The rows of a link table, as they are. */
  readonly links: readonly (readonly [fileId: FileId, value: Uint8Array])[]
  /** A row cannot be decoded. */
  readonly isPartly: boolean
}

/**
 * Decodes the plaintext of a node. CORRUPT when the node cannot be decoded; rows that cannot be decoded are left out.
 */
export function decodeTableNode(plain: Uint8Array, kind: TableKind): TableNode {
  const node = decodeMapNode(plain)
  const found = {
    below: [] as TreeRef[],
    entries: [] as EntryRecord[],
    chunks: [] as FileChunk[],
    links: [] as (readonly [FileId, Uint8Array])[],
    isPartly: false,
  }
  if (!isMapLeaf(node)) {
    for (const child of node.children) found.below.push(child.ref)
    return found
  }
  if (kind === 'counts') return found
  for (const [key, value] of node.items) {
    if (kind === 'links') found.links.push([key, value])
    try {
      if (kind === 'chunks') found.chunks.push(decodeFileChunk(0, value))
      else if (kind === 'links') found.entries.push(linkedEntry(key, value))
      else if (isFileName(key)) found.entries.push(decodeEntry(value))
      else throw corrupt('a directory holds an impossible name')
    } catch (error) {
      if (!isDriveError(error, 'CORRUPT')) throw error
      found.isPartly = true
    }
  }
  return found
}
