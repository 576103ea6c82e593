/** Defines which requests change the tree, and how they are replayed after the daemon was killed. */
import { HEADER, OP, OPEN_IN, REQUEST_HEADER_BYTES, SETATTR_IN, SETATTR_VALID } from '../protocol/protocol.js'

/** Requests that refer to a name. They are replayed only if the commit on disk does not contain them. */
const BY_NAME: ReadonlySet<number> = new Set([
  OP.CREATE,
  OP.MKNOD,
  OP.MKDIR,
  OP.SYMLINK,
  OP.LINK,
  OP.UNLINK,
  OP.RMDIR,
  OP.RENAME,
  OP.RENAME2,
  OP.COPY_FILE_RANGE,
  OP.COPY_FILE_RANGE_64,
])

/**
 * Requests that set a range or an attribute of an inode. They are idempotent: replaying all of them in order gives the
 * same result.
 */
const BY_INODE: ReadonlySet<number> = new Set([
  OP.WRITE,
  OP.SETATTR,
  OP.FALLOCATE,
  OP.SETXATTR,
  OP.REMOVEXATTR,
  OP.OPEN,
])

const O_ACCESS_MODE = 3
const O_TRUNC = 0o1000

/** Indexed by opcode: 1 for a request that is logged, 2 for OPEN, which is logged if it truncates. */
const KINDS = new Uint8Array(64)
for (const opcode of [...BY_NAME, ...BY_INODE]) KINDS[opcode] = opcode === OP.OPEN ? 2 : 1

export function isJournaled(opcode: number, openFlags: () => number): boolean {
  const kind = KINDS[opcode]
  if (kind !== 2) return kind === 1
  const flags = openFlags()
  return (flags & O_TRUNC) !== 0 && (flags & O_ACCESS_MODE) !== 0
}

export function isByName(request: Buffer): boolean {
  return BY_NAME.has(request.readUInt32LE(HEADER.opcode))
}

/** Whether one of the BY_INODE requests changes content. */
export function changesContent(request: Buffer): boolean {
  const opcode = request.readUInt32LE(HEADER.opcode)
  if (opcode !== OP.SETATTR) return opcode === OP.WRITE || opcode === OP.FALLOCATE || opcode === OP.OPEN
  return (request.readUInt32LE(REQUEST_HEADER_BYTES + SETATTR_IN.valid) & SETATTR_VALID.SIZE) !== 0
}

/** Offset of the flags of an OPEN request. */
export const openFlagsAt = REQUEST_HEADER_BYTES + OPEN_IN.flags
