/** The operations of a tree by path, as root, for tests of sync. */
import { createHash } from 'node:crypto'
import { hex, nameFromText, nameToText } from '../../../src/base/index.js'
import { OPEN, ROOT_INO, type Attributes, type Caller, type Tree } from '../../../src/vfs/index.js'

export const caller: Caller = { uid: 0, gid: 0, pid: 1, signal: new AbortController().signal }

const PIECE_BYTES = 131_072

export abstract class TreeByPath {
  abstract get tree(): Tree

  async find(path: string): Promise<Attributes | undefined> {
    let at: Attributes | undefined = await this.tree.getAttributes(ROOT_INO, caller)
    for (const part of path.split('/').filter((text) => text !== '')) {
      at = await this.tree.lookup(at.ino, nameFromText(part), caller)
      if (at === undefined) return undefined
    }
    return at
  }

  async write(
    path: string,
    offset: number,
    bytes: Uint8Array,
    how: { truncate?: boolean; sync?: boolean } = {},
  ): Promise<void> {
    const { tree } = this
    const flags = OPEN.READ_WRITE | (how.truncate === true ? OPEN.TRUNCATE : 0)
    const known = await this.find(path)
    const { parent, name } = await this.#split(path)
    const opened = known === undefined ? await tree.create(parent, name, 0o644, flags, caller) : undefined
    const ino = known?.ino ?? opened!.attributes.ino
    const { handle } = opened?.opened ?? (await tree.open(ino, flags, caller))
    // Like the kernel without atomic O_TRUNC.
    if (how.truncate === true && known !== undefined) await tree.setAttributes(ino, { size: 0 }, handle, caller)
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      await tree.write(ino, handle, offset + at, bytes.subarray(at, at + PIECE_BYTES), caller)
    }
    if (how.sync === true) await tree.sync(ino, false, caller)
    await tree.flush(ino, handle, caller)
    tree.release(ino, handle)
  }

  async truncate(path: string, size: number): Promise<void> {
    await this.tree.setAttributes((await this.find(path))!.ino, { size }, undefined, caller)
  }

  async makeDirectory(path: string): Promise<void> {
    const { parent, name } = await this.#split(path)
    await this.tree.makeDirectory(parent, name, 0o755, caller)
  }

  async symlink(path: string, target: string): Promise<void> {
    const { parent, name } = await this.#split(path)
    await this.tree.makeSymlink(parent, name, Buffer.from(target), caller)
  }

  async unlink(path: string): Promise<void> {
    const { parent, name } = await this.#split(path)
    await this.tree.unlink(parent, name, caller)
  }

  async removeDirectory(path: string): Promise<void> {
    const { parent, name } = await this.#split(path)
    await this.tree.removeDirectory(parent, name, caller)
  }

  async link(from: string, to: string): Promise<void> {
    const { parent, name } = await this.#split(to)
    await this.tree.link((await this.find(from))!.ino, parent, name, caller)
  }

  async rename(from: string, to: string, flags = 0): Promise<void> {
    const [a, b] = [await this.#split(from), await this.#split(to)]
    await this.tree.rename({ parent: a.parent, name: a.name }, { parent: b.parent, name: b.name }, flags, caller)
  }

  async chmod(path: string, mode: number): Promise<void> {
    await this.tree.setAttributes((await this.find(path))!.ino, { mode }, undefined, caller)
  }

  /** What identifies the file on every device; in dumps. */
  identityOf(_ino: number): string {
    return ''
  }

  /** Every path with its visible attributes and content. */
  async dump(): Promise<Record<string, string>> {
    const out: Record<string, string> = {}
    const walk = async (ino: number, path: string): Promise<void> => {
      const a = await this.tree.getAttributes(ino, caller)
      const type = a.mode & 0o170000
      const body =
        type === 0o100000
          ? await this.#hash(ino, a.size)
          : type === 0o120000
            ? String(await this.tree.readLink(ino, caller))
            : ''
      const identity = this.identityOf(ino)
      const times = [a.mtimeSec, a.mtimeNsec, a.btimeNsec]
      out[path] = [a.mode.toString(8), a.nlink, a.uid, a.size, ...times, identity, body].join(' ')
      if (type !== 0o040000) return
      for (const entry of await this.#list(ino)) await walk(entry.ino, `${path}/${entry.name}`)
    }
    await walk(ROOT_INO, '')
    return Object.fromEntries(Object.entries(out).sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  async #list(ino: number): Promise<{ ino: number; name: string }[]> {
    const { handle } = await this.tree.openDirectory(ino, caller)
    const found: { ino: number; name: string }[] = []
    const visit = (entry: { ino: number; name: Parameters<typeof nameToText>[0] }): boolean =>
      found.push({ ino: entry.ino, name: nameToText(entry.name) }) > 0
    await this.tree.readDirectory(ino, handle, { cookie: 0, withAttributes: false, visit }, caller)
    this.tree.releaseDirectory(ino, handle)
    return found
  }

  async #hash(ino: number, size: number): Promise<string> {
    const { handle } = await this.tree.open(ino, OPEN.READ_ONLY, caller)
    const hash = createHash('sha256')
    for (let at = 0; at < size; at += PIECE_BYTES) {
      const views = await this.tree.read(ino, handle, at, Math.min(PIECE_BYTES, size - at), caller)
      for (const view of views) hash.update(view)
    }
    this.tree.release(ino, handle)
    return hex(hash.digest()).slice(0, 16)
  }

  async #split(path: string): Promise<{ parent: number; name: ReturnType<typeof nameFromText> }> {
    const parts = path.split('/')
    const parent = await this.find(parts.slice(0, -1).join('/'))
    return { parent: parent!.ino, name: nameFromText(parts.at(-1)!) }
  }
}
