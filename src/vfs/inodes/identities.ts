/** Maps between inode numbers, file ids and names. */
import { equalBytes, type FileId } from '../../base/index.js'
import type { Directories } from '../namespace/directories.js'
import type { Identities, NamePlace } from '../tree.js'
import type { FileIds } from './file-ids.js'
import type { InodeTable } from './inode-table.js'
import type { TreeTables } from './tree-state.js'

export interface IdentityParts {
  readonly tables: Pick<TreeTables, 'ids'>
  readonly inodes: InodeTable
  readonly fileIds: FileIds
  readonly directories: Directories
}

export class TreeIdentities implements Identities {
  readonly #parts: IdentityParts

  constructor(parts: IdentityParts) {
    this.#parts = parts
  }

  fileIdOf(ino: number): FileId {
    return this.#parts.inodes.get(ino).fileId
  }

  find(ino: number): FileId | undefined {
    return this.#parts.inodes.find(ino)?.fileId
  }

  inoOf(id: FileId): number | undefined {
    const ino = this.#parts.fileIds.inoOf(id)
    const inode = ino === undefined ? undefined : this.#parts.inodes.find(ino)
    return inode !== undefined && inode.nlink > 0 && equalBytes(inode.fileId, id) ? ino : undefined
  }

  nameOf(ino: number): NamePlace | undefined {
    const { inodes, directories } = this.#parts
    const inode = inodes.find(ino)
    const parent = inode === undefined ? undefined : inodes.find(inode.parent)
    if (inode === undefined || parent === undefined || parent.unloaded) return undefined
    const { hint } = inode
    if (hint !== undefined && directories.find(parent, hint)?.ino === ino) return { parent: parent.ino, name: hint }
    const name = directories.nameOf(parent, ino)
    return name === undefined ? undefined : { parent: parent.ino, name }
  }

  passOn(from: number, to: number): void {
    const { tables, inodes, fileIds } = this.#parts
    const old = inodes.find(from)
    const successor = inodes.get(to)
    // The old file has an id in the link table, so a directory that is not loaded yet may still name it.
    if (old === undefined || tables.ids.get(old.fileId) !== undefined) return
    fileIds.delete(old.fileId, from)
    fileIds.delete(successor.fileId, to)
    const id = old.fileId
    old.fileId = successor.fileId
    successor.fileId = id
    fileIds.put(id, to)
    fileIds.put(old.fileId, from)
    inodes.markChanged(old)
    inodes.markChanged(successor)
  }
}
