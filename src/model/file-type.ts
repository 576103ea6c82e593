/** The type of an inode, in the upper bits of its mode. */

/** The bits of `mode` that hold the type. */
export const S_IFMT = 0o170000

/** S_IFMT values shifted right by 12 (DT_*). */
export const TYPE = { FIFO: 1, CHAR: 2, DIRECTORY: 4, BLOCK: 6, FILE: 8, SYMLINK: 10, SOCKET: 12 } as const

const typeOf = ({ mode }: { readonly mode: number }): number => (mode & S_IFMT) >>> 12
export const isDirectory = (record: { readonly mode: number }): boolean => typeOf(record) === TYPE.DIRECTORY
export const isFile = (record: { readonly mode: number }): boolean => typeOf(record) === TYPE.FILE

/** The root directory's inode number. */
export const ROOT_INO = 1
