/**
 * Writes new file content under a temporary name beside the target, and renames it over the target. Readers see the old
 * content or the new one. `isUploadName` recognizes files left by a crash.
 */
import { DriveError, type PlainName, type Random } from '../base/index.js'
import { OPEN, RENAME, type Attributes, type Caller, type Identities, type NamePlace, type Tree } from '../vfs/index.js'
import type { Condition } from './contract.js'
import { revisionOf } from './file-info.js'
import { OpenNumbers } from './handles.js'
import { takeAttributes } from './take-attributes.js'

const DEFAULT_MODE = 0o644
const S_IFMT = 0o170000
const S_IFDIR = 0o040000
const S_IFREG = 0o100000
const UPLOAD_NAME = /^\.dagdrive-upload-[0-9a-f]{16}$/u

/** True for the names of unfinished uploads. */
export const isUploadName = (name: PlainName): boolean => UPLOAD_NAME.test(name)

interface Upload {
  readonly target: NamePlace
  readonly condition: Condition
  readonly origin: string
  readonly temporary: PlainName
  readonly ino: number
  readonly handle: number
  sizeBytes: number
}

/** The result of a committed upload. */
export interface Committed extends Pick<Upload, 'target'> {
  readonly ino: number
}

export class Uploads {
  readonly #tree: Tree
  readonly #identities: Identities
  readonly #random: Random
  readonly #caller: Caller
  readonly #open = new OpenNumbers<Upload>()

  constructor(tree: Tree, identities: Identities, random: Random, caller: Caller) {
    this.#tree = tree
    this.#identities = identities
    this.#random = random
    this.#caller = caller
  }

  async begin(target: NamePlace, condition: Condition & { readonly mode?: number }, origin: string): Promise<number> {
    const there = await this.#check(target, condition)
    const temporary = `.dagdrive-upload-${Buffer.from(this.#random.bytes(8)).toString('hex')}` as PlainName
    const mode = (there?.mode ?? condition.mode ?? DEFAULT_MODE) & 0o7777
    const { attributes, opened } = await this.#tree.create(
      target.parent,
      temporary,
      mode,
      OPEN.WRITE_ONLY,
      this.#caller,
    )
    const { ino } = attributes
    try {
      // Attributes are copied now as well: a user who may not read the old content may not read the new one during the
      // upload.
      if (there !== undefined) await takeAttributes(this.#tree, there, ino, this.#caller)
      // See `staged` in changing.ts.
      await this.#tree.sync(target.parent, false, this.#caller)
      const { handle } = opened
      return this.#open.add({ target, condition, origin, temporary, ino, handle, sizeBytes: 0 })
    } catch (error) {
      await this.#remove({ ino, handle: opened.handle, target, temporary })
      throw error
    }
  }

  async append(number: number, bytes: Uint8Array): Promise<void> {
    const upload = this.#open.get(number)
    const at = upload.sizeBytes
    upload.sizeBytes += bytes.length
    await this.#tree.write(upload.ino, upload.handle, at, bytes, this.#caller)
  }

  /**
   * Makes the content staged, renames it over the target, and makes the rename staged. A failure discards the upload.
   * @param noteMove called just before the rename
   */
  async commit(number: number, noteMove: (target: NamePlace, origin: string) => void): Promise<Committed> {
    const upload = this.#open.take(number)
    if (upload === undefined) throw new DriveError('BAD_HANDLE', 'The upload is not open.')
    const { target, temporary, ino, handle, condition, origin } = upload
    try {
      await this.#tree.sync(ino, false, this.#caller)
      const there = await this.#check(target, condition)
      if (there !== undefined) await takeAttributes(this.#tree, there, ino, this.#caller)
      const flags = there === undefined ? RENAME.NO_REPLACE : 0
      noteMove(target, origin)
      const isSuccessor = there?.nlink === 1
      // Done before the rename, because the rename may remove the old file. Usually both happen in one turn.
      if (isSuccessor) this.#identities.passOn(there.ino, ino)
      try {
        await this.#tree.rename(
          { parent: target.parent, name: temporary },
          { parent: target.parent, name: target.name },
          flags,
          this.#caller,
        )
      } catch (error) {
        if (isSuccessor) this.#identities.passOn(ino, there.ino)
        throw error
      }
    } catch (error) {
      await this.#remove(upload)
      throw error
    }
    this.#tree.release(ino, handle)
    await this.#tree.sync(target.parent, false, this.#caller)
    return { target, ino }
  }

  async abandon(number: number): Promise<void> {
    const upload = this.#open.take(number)
    if (upload !== undefined) await this.#remove(upload)
  }

  async close(): Promise<void> {
    for (const upload of this.#open.takeAll()) await this.#remove(upload)
  }

  async #check(target: NamePlace, condition: Condition): Promise<Attributes | undefined> {
    const there = await this.#tree.lookup(target.parent, target.name, this.#caller)
    if (there !== undefined) requireReplaceable(there)
    if (there !== undefined && condition.ifAbsent === true)
      throw new DriveError('EXISTS', 'A file already exists at that path.')
    if (condition.ifRevision === undefined) return there
    if (there === undefined) throw new DriveError('NOT_FOUND', 'There is no file at that path.')
    if (revisionOf(there) !== condition.ifRevision)
      throw new DriveError('STALE', 'The file was changed by somebody else.')
    return there
  }

  async #remove(upload: Pick<Upload, 'ino' | 'handle' | 'target' | 'temporary'>): Promise<void> {
    this.#tree.release(upload.ino, upload.handle)
    try {
      await this.#tree.unlink(upload.target.parent, upload.temporary, this.#caller)
    } catch {
      // The directory or the name is already gone.
    }
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
