/**
 * The limit for all extended attributes of one file. The entry of a file must fit into one block, and the root's into
 * the commit, whatever its other fields are. So the tree and the decoder of entries have the same limit.
 */

/** Of all attributes of a file, as `xattrBytes` counts them. */
export const MOST_XATTR_BYTES = 96 * 1024

/** The size of an attribute apart from its name (two bytes per character in UTF-8) and its value. */
const OVERHEAD_BYTES = 16

/** At least the bytes of the attribute in an entry. */
export function xattrBytes(name: string, value: Uint8Array): number {
  return 2 * name.length + value.length + OVERHEAD_BYTES
}
