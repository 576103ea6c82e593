/**
 * Answers a resent request that an earlier daemon executed and logged without the kernel getting the answer. The
 * operation is not repeated. The reply holds the current attributes.
 */
import type { LoggedResult } from '../holder/redo-log.js'
import { CREATE_IN, LINK_IN, OP, OPEN_IN } from '../protocol/protocol.js'
import { readExact } from '../protocol/read-request.js'
import type { Request } from '../protocol/request.js'
import { replyAttributes } from './attributes.js'
import { reply64, replyCreated, replyOpenedFile, replyWritten } from './files.js'
import { replyEntry, replyOk } from './names.js'
import type { MountSession } from './session.js'

/** @param at offset of the request's body */
export function answerAgain(
  s: MountSession,
  r: Request,
  { ino, handle }: Pick<LoggedResult, 'ino' | 'handle'>,
  at: number,
): void {
  r.isLogged = true
  const opened = { handle, keepCache: true }
  switch (r.opcode) {
    case OP.CREATE:
      r.note = s.in.u32(at + CREATE_IN.flags)
      return s.settle(r, s.tree.getAttributes(ino, r), (_, __, attributes) =>
        replyCreated(s, r, { attributes, opened }),
      )
    case OP.OPEN:
      r.note = s.in.u32(at + OPEN_IN.flags)
      return replyOpenedFile(s, r, opened)
    case OP.MKNOD:
    case OP.MKDIR:
    case OP.SYMLINK:
      return s.settle(r, s.tree.getAttributes(ino, r), replyEntry)
    case OP.LINK:
      return s.settle(r, s.tree.getAttributes(readExact(s, at + LINK_IN.nodeId), r), replyEntry)
    case OP.SETATTR:
      return s.settle(r, s.tree.getAttributes(r.nodeId, r), replyAttributes)
    case OP.COPY_FILE_RANGE:
      return replyWritten(s, r, handle)
    case OP.COPY_FILE_RANGE_64:
      return reply64(s, r, handle)
    case OP.SETXATTR:
      return s.settle(r, s.dropAttributes(r.nodeId), replyOk)
    default:
      return replyOk(s, r)
  }
}
