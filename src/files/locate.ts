/** Finds the inode of a path or id, and describes an inode for callers. */
import { DriveError } from '../base/index.js'
import { ROOT_INO, type Attributes, type Caller, type Identities, type NamePlace, type Tree } from '../vfs/index.js'
import type { FileInfo, FilePlace } from './contract.js'
import { fileInfo } from './file-info.js'
import { findPath } from './tree-paths.js'

export class Locator {
  readonly #tree: Tree
  readonly #identities: Identities
  readonly #caller: Caller

  constructor(tree: Tree, identities: Identities, caller: Caller) {
    this.#tree = tree
    this.#identities = identities
    this.#caller = caller
  }

  /** NOT_FOUND if it does not exist; INVALID for a malformed place. */
  async inoOf(place: FilePlace): Promise<number> {
    if ('path' in place) return findPath(this.#tree, String(place.path), this.#caller)
    if (typeof place.id !== 'string' || !/^[0-9a-f]{32}$/u.test(place.id)) {
      throw new DriveError('INVALID', 'A file id must have 32 hexadecimal digits.')
    }
    const ino = this.#identities.inoOf(Buffer.from(place.id, 'hex'))
    if (ino === undefined) throw new DriveError('NOT_FOUND', 'There is no file with that id on this device.')
    return ino
  }

  async info(ino: number): Promise<FileInfo> {
    return this.infoOf(await this.#tree.getAttributes(ino, this.#caller))
  }

  /** @param known one of its names, if the caller already knows it */
  infoOf(attributes: Attributes, known?: NamePlace): FileInfo {
    const { ino } = attributes
    const id = this.#identities.fileIdOf(ino)
    if (ino === ROOT_INO) return fileInfo(attributes, { id, parentId: undefined, name: undefined })
    const at = known ?? this.#identities.nameOf(ino)
    return fileInfo(attributes, { id, parentId: at && this.#identities.fileIdOf(at.parent), name: at?.name })
  }
}
