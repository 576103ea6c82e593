/**
 * Writes new file content into a file without a name. When the content is complete, the file gets the name of the
 * target. Readers see either the old or the new content, no version contains it before, and a kill leaves nothing of
 * it.
 */
import { DriveError } from '../base/index.js'
import {
  OPEN,
  type Attributes,
  type Caller,
  type Identities,
  type NamePlace,
  type Tree,
  type UnnamedFiles,
} from '../vfs/index.js'
import type { Condition } from './contract.js'
import { revisionOf } from './file-info.js'
import { OpenNumbers } from './handles.js'
import { takeAttributes } from './take-attributes.js'

const DEFAULT_MODE = 0o644
const S_IFMT = 0o170000
const S_IFDIR = 0o040000
const S_IFREG = 0o100000

/** The parts that uploads use. */
export interface UploadParts {
  readonly tree: Tree
  readonly unnamed: UnnamedFiles
  readonly identities: Identities
}

interface Upload {
  readonly target: NamePlace
  readonly condition: Condition
  readonly origin: string
  readonly ino: number
  readonly handle: number
  sizeBytes: number
}

/** The result of a committed upload. */
export interface Committed extends Pick<Upload, 'target'> {
  readonly ino: number
}

export class Uploads {
  readonly #parts: UploadParts
  readonly #caller: Caller
  readonly #open = new OpenNumbers<Upload>()

  constructor(parts: UploadParts, caller: Caller) {
    this.#parts = parts
    this.#caller = caller
  }

  async begin(target: NamePlace, condition: Condition & { readonly mode?: number }, origin: string): Promise<number> {
    const { tree, unnamed } = this.#parts
    const there = await this.#check(target, condition)
    const mode = (there?.mode ?? condition.mode ?? DEFAULT_MODE) & 0o7777
    const { ino } = unnamed.make(target.parent, mode, this.#caller)
    // In the same turn: only the handle keeps a file without a name.
    const { handle } = await tree.open(ino, OPEN.WRITE_ONLY, this.#caller)
    return this.#open.add({ target, condition, origin, ino, handle, sizeBytes: 0 })
  }

  async append(number: number, bytes: Uint8Array): Promise<void> {
    const upload = this.#open.get(number)
    const at = upload.sizeBytes
    upload.sizeBytes += bytes.length
    await this.#parts.tree.write(upload.ino, upload.handle, at, bytes, this.#caller)
  }

  /**
   * Makes the content staged, puts it at the target, and makes its name staged. A failure discards the upload.
   * @param notePlace called just before the file gets its name
   */
  async commit(number: number, notePlace: (target: NamePlace, origin: string) => void): Promise<Committed> {
    const { tree, unnamed, identities } = this.#parts
    const upload = this.#open.take(number)
    if (upload === undefined) throw new DriveError('BAD_HANDLE', 'The upload is not open.')
    const { target, ino, handle, condition, origin } = upload
    try {
      await tree.sync(ino, false, this.#caller)
      const there = await this.#check(target, condition)
      if (there !== undefined) await takeAttributes(tree, there, ino, this.#caller)
      notePlace(target, origin)
      const isSuccessor = there?.nlink === 1
      // Done before the file gets its name, because the old file may be removed then. Usually both happen in one turn.
      if (isSuccessor) identities.passOn(there.ino, ino)
      try {
        await unnamed.name(ino, target, { replace: there !== undefined }, this.#caller)
      } catch (error) {
        if (isSuccessor) identities.passOn(ino, there.ino)
        throw error
      }
    } finally {
      // It is removed, because it has no name.
      tree.release(ino, handle)
    }
    await tree.sync(target.parent, false, this.#caller)
    return { target, ino }
  }

  async abandon(number: number): Promise<void> {
    const upload = this.#open.take(number)
    if (upload !== undefined) this.#parts.tree.release(upload.ino, upload.handle)
  }

  close(): void {
    for (const { ino, handle } of this.#open.takeAll()) this.#parts.tree.release(ino, handle)
  }

  async #check(target: NamePlace, condition: Condition): Promise<Attributes | undefined> {
    const there = await this.#parts.tree.lookup(target.parent, target.name, this.#caller)
    if (there !== undefined) requireReplaceable(there)
    if (there !== undefined && condition.ifAbsent === true)
      throw new DriveError('EXISTS', 'A file already exists at that path.')
    if (condition.ifRevision === undefined) return there
    if (there === undefined) throw new DriveError('NOT_FOUND', 'There is no file at that path.')
    if (revisionOf(there) !== condition.ifRevision)
      throw new DriveError('STALE', 'The file was changed by somebody else.')
    return there
  }
}

/** Only a regular file with a single name can be replaced. A link is neither followed nor lost. */
function requireReplaceable({ mode, nlink }: Attributes): void {
  const type = mode & S_IFMT
  if (type === S_IFDIR) throw new DriveError('IS_A_DIRECTORY', 'A directory exists at that path.')
  if (type !== S_IFREG)
    throw new DriveError(
      'EXISTS',
      'A symbolic link or a special file exists at that path. It is not followed. Write to the path of a file, or remove the link first.',
    )
  if (nlink > 1)
    throw new DriveError(
      'TOO_MANY_LINKS',
      'The file has other hard links, and those would keep the old content. Change it through the mount, or remove this name first.',
    )
}
