/**
 * What a new content takes from the file it replaces: mode, owner, and extended attributes, access control lists too.
 */
import type { Attributes, Caller, Tree } from '../vfs/index.js'

const PERMISSIONS = 0o7777

/** @param to gets exactly these attributes: what it inherited from its directory goes */
export async function takeAttributes(tree: Tree, from: Attributes, to: number, caller: Caller): Promise<void> {
  // Those of the namespace `trusted` show to root only.
  const asRoot: Caller = { uid: 0, gid: 0, pid: caller.pid, signal: caller.signal }
  const wanted = new Set(await tree.listXattrs(from.ino, asRoot))
  for (const name of await tree.listXattrs(to, asRoot)) {
    if (!wanted.has(name)) await tree.removeXattr(to, name, asRoot)
  }
  for (const name of wanted) {
    await tree.setXattr(to, name, await tree.getXattr(from.ino, name, asRoot), 0, asRoot)
  }
  // Last, as an access control list and the mode change each other.
  const { uid, gid, mode } = from
  await tree.setAttributes(to, { uid, gid, mode: mode & PERMISSIONS }, undefined, asRoot)
}
