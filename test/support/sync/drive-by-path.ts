/** The operations of a drive by path, as tests of sync call them. */
import { hex } from '../../../src/base/index.js'
import { isDirectory } from '../../../src/model/index.js'
import type { Tree, Vfs } from '../../../src/vfs/index.js'
import { TreeByPath } from './tree-by-path.js'

/** `pages`: the bytes are staged as scattered pages. By default the tree decides by their length. */
export type HowToWrite = 'pages'

/** Smaller than what is sealed at once. */
const PAGES_BYTES = 65_536

export abstract class DriveByPath {
  readonly #paths = new PathsOf(() => this.vfs)

  abstract get vfs(): Vfs

  makeDirectory(path: string): Promise<void> {
    return this.#paths.makeDirectory(path)
  }

  makeSymlink(path: string, target: string): Promise<void> {
    return this.#paths.symlink(path, target)
  }

  /** Replaces the whole content. */
  async write(path: string, bytes: Uint8Array, how?: HowToWrite): Promise<void> {
    if (how === undefined) return this.#paths.write(path, 0, bytes, { truncate: true })
    await this.#paths.write(path, 0, new Uint8Array(0), { truncate: true })
    for (let at = 0; at < bytes.length; at += PAGES_BYTES)
      await this.#paths.write(path, at, bytes.subarray(at, at + PAGES_BYTES), { sync: true })
  }

  overwrite(path: string, offset: number, bytes: Uint8Array): Promise<void> {
    return this.#paths.write(path, offset, bytes)
  }

  chmod(path: string, mode: number): Promise<void> {
    return this.#paths.chmod(path, mode)
  }

  link(from: string, to: string): Promise<void> {
    return this.#paths.link(from, to)
  }

  async remove(path: string): Promise<void> {
    if (isDirectory((await this.#paths.find(path))!)) await this.#paths.removeDirectory(path)
    else await this.#paths.unlink(path)
  }

  rename(from: string, to: string): Promise<void> {
    return this.#paths.rename(from, to)
  }

  async find(path: string): Promise<number | undefined> {
    return (await this.#paths.find(path))?.ino
  }

  /** Every path with its visible attributes and content. */
  dump(): Promise<Record<string, string>> {
    return this.#paths.dump()
  }
}

class PathsOf extends TreeByPath {
  constructor(private readonly vfs: () => Vfs) {
    super()
  }

  get tree(): Tree {
    return this.vfs().tree
  }

  override identityOf(ino: number): string {
    return hex(this.vfs().identities.fileIdOf(ino))
  }
}
