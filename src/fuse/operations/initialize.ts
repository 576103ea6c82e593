/** The INIT handshake: the flags this server requests from the kernel, and the reasons. */
import { DriveError } from '../../base/index.js'
import { ERRNO } from '../protocol/errno.js'
import {
  FUSE_MAJOR,
  INIT,
  INIT2,
  INIT_IN,
  NEWEST_MINOR,
  OLDEST_MINOR,
  REPLY_HEADER_BYTES,
} from '../protocol/protocol.js'
import type { Request } from '../protocol/request.js'
import type { MountSession } from './session.js'

/** The largest WRITE payload. A request also has its headers. */
export const MAX_WRITE_BYTES = 1024 * 1024
const MAX_PAGES = MAX_WRITE_BYTES / 4096
const MAX_BACKGROUND = 64
const CONGESTION_THRESHOLD = 48
const MAX_READAHEAD_BYTES = 1024 * 1024
const INIT_OUT_BYTES = 64

/**
 * Not requested: WRITEBACK_CACHE, unless the mount asks for it (with it the kernel ignores sizes from other writers,
 * and unsynced data is lost with the daemon); POSIX_LOCKS and FLOCK_LOCKS (without them the kernel locks locally, which
 * is correct); AUTO_INVAL_DATA (our own writes change mtime, which would drop the page cache). Requested:
 * HANDLE_KILLPRIV_V2, so we clear set-ID bits, which saves a GETXATTR before every write and a GETATTR before every
 * chown. POSIX_ACL makes the kernel check permissions, so it is requested only where the kernel does that anyway.
 * DONT_MASK lets us apply the umask, because a default ACL replaces it.
 */
const WANTED =
  INIT.ASYNC_READ |
  INIT.ATOMIC_O_TRUNC |
  INIT.EXPORT_SUPPORT |
  INIT.BIG_WRITES |
  INIT.DONT_MASK |
  INIT.DO_READDIRPLUS |
  INIT.READDIRPLUS_AUTO |
  INIT.ASYNC_DIO |
  INIT.PARALLEL_DIROPS |
  INIT.ABORT_ERROR |
  INIT.MAX_PAGES |
  INIT.CACHE_SYMLINKS |
  INIT.EXPLICIT_INVAL_DATA |
  INIT.HANDLE_KILLPRIV_V2 |
  INIT.SETXATTR_EXT |
  INIT.INIT_EXT

export function initialize(s: MountSession, r: Request, at: number, end: number): void {
  const major = s.in.u32(at + INIT_IN.major)
  const minor = s.in.u32(at + INIT_IN.minor)
  if (major > FUSE_MAJOR) {
    replyMajor(s, r)
    return
  }
  if (major < FUSE_MAJOR || minor < OLDEST_MINOR) {
    s.sendErrno(r, ERRNO.EPROTO)
    s.onInitialized(
      new DriveError('MOUNT_FAILED', `This kernel speaks FUSE ${major}.${minor}; version 7.31 or newer is required.`),
    )
    return
  }
  const offered = s.in.u32(at + INIT_IN.flags)
  const extended = (offered & INIT.INIT_EXT) !== 0 && end - at >= INIT_IN.flags2 + 4
  const offered2 = extended ? s.in.u32(at + INIT_IN.flags2) : 0
  const writeback = s.options.writeback ? INIT.WRITEBACK_CACHE : 0
  const acls = s.options.checksPermissions ? INIT.POSIX_ACL : 0
  const flags = (WANTED | writeback | acls) & offered
  const timeout = s.options.requestTimeoutSeconds
  const flags2 = (INIT2.HAS_EXPIRE_ONLY | (timeout > 0 ? INIT2.REQUEST_TIMEOUT : 0)) & offered2
  s.agree(Math.min(minor, NEWEST_MINOR), flags)
  const canResend = (offered2 & INIT2.HAS_RESEND) !== 0
  if (canResend && s.journal !== undefined) s.journal.state.negotiated = { minor: s.minor, flags, flags2 }
  else s.withoutJournal()

  const out = s.out
  const o = REPLY_HEADER_BYTES
  out.bytes.fill(0, o, o + INIT_OUT_BYTES)
  out.setU32(o, FUSE_MAJOR)
  out.setU32(o + 4, s.minor)
  out.setU32(o + 8, Math.max(s.in.u32(at + INIT_IN.maxReadahead), MAX_READAHEAD_BYTES))
  out.setU32(o + 12, flags)
  out.setU32(o + 16, MAX_BACKGROUND | (CONGESTION_THRESHOLD << 16))
  out.setU32(o + 20, MAX_WRITE_BYTES)
  out.setU32(o + 24, 1)
  out.setU32(o + 28, MAX_PAGES)
  out.setU32(o + 32, flags2)
  out.setU32(o + 40, (flags2 & INIT2.REQUEST_TIMEOUT) !== 0 ? timeout : 0)
  const accepted = s.send(r, o + INIT_OUT_BYTES)
  s.onInitialized(accepted ? undefined : new DriveError('MOUNT_FAILED', 'The kernel refused the FUSE handshake.'))
}

/** The kernel has a newer major version: reply with ours, and the kernel repeats INIT with it. */
function replyMajor(s: MountSession, r: Request): void {
  s.out.bytes.fill(0, REPLY_HEADER_BYTES, REPLY_HEADER_BYTES + INIT_OUT_BYTES)
  s.out.setU32(REPLY_HEADER_BYTES, FUSE_MAJOR)
  s.out.setU32(REPLY_HEADER_BYTES + 4, NEWEST_MINOR)
  s.send(r, REPLY_HEADER_BYTES + INIT_OUT_BYTES)
}
