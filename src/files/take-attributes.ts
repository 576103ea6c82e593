/**
 * Copies to new content the attributes of the replaced file: mode, owner and extended attributes, including access
 * control lists.
 */
import type { Attributes, Caller, Tree } from '../vfs/index.js'

const PERMISSIONS = 0o7777

/** @param to gets exactly these attributes; those inherited from its directory are removed */
export async function takeAttributes(tree: Tree, from: Attributes, to: number, caller: Caller): Promise<void> {
  // Attributes of the namespace `trusted` are visible only to root.
  const asRoot: Caller = { uid: 0, gid: 0, pid: caller.pid, signal: caller.signal }
  const wanted = new Set(await tree.listXattrs(from.ino, asRoot))
  for (const name of await tree.listXattrs(to, asRoot)) {
    if (!wanted.has(name)) await tree.removeXattr(to, name, asRoot)
  }
  for (const name of wanted) {
    await tree.setXattr(to, name, await tree.getXattr(from.ino, name, asRoot), 0, asRoot)
  }
  // The mode is set last, because an access control list and the mode change each other.
  const { uid, gid, mode } = from
  await tree.setAttributes(to, { uid, gid, mode: mode & PERMISSIONS }, undefined, asRoot)
}
