/** From a place, by path or by id, to its inode; and from an inode to what callers see of it. */
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

  /** NOT_FOUND; INVALID for what is no place. */
  async inoOf(place: FilePlace): Promise<number> {
    if ('path' in place) return findPath(this.#tree, String(place.path), this.#caller)
    if (typeof place.id !== 'string' || !/^[0-9a-f]{32}$/u.test(place.id)) {
      throw new DriveError('INVALID', 'A file id has 32 hexadecimal digits.')
    }
    const ino = this.#identities.inoOf(Buffer.from(place.id, 'hex'))
    if (ino === undefined) throw new DriveError('NOT_FOUND', 'There is no file of that id on this device.')
    return ino
  }

  async info(ino: number): Promise<FileInfo> {
    return this.infoOf(await this.#tree.getAttributes(ino, this.#caller))
  }

  /** @param known one of its names, where the caller knows it already */
  infoOf(attributes: Attributes, known?: NamePlace): FileInfo {
    const { ino } = attributes
    const id = this.#identities.fileIdOf(ino)
    if (ino === ROOT_INO) return fileInfo(attributes, { id, parentId: undefined, name: undefined })
    const at = known ?? this.#identities.nameOf(ino)
    return fileInfo(attributes, { id, parentId: at && this.#identities.fileIdOf(at.parent), name: at?.name })
  }
}
