/** Linux error numbers, and the one table from our error codes to them. */
import { isDriveError, type DriveErrorCode } from '../../base/index.js'

export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  EAGAIN: 11,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EMLINK: 31,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EPROTO: 71,
  EOPNOTSUPP: 95,
  ENETUNREACH: 101,
  ECONNABORTED: 103,
  ENOTCONN: 107,
  ETIMEDOUT: 110,
  ESTALE: 116,
  EDQUOT: 122,
} as const

/**
 * The errno a program sees for each of our errors. ENOSYS is not here: after this answer the kernel stops sending the
 * operation. EINTR is not here either: a program that handles a signal never gets EINTR from a regular file, and a
 * killed program sees no answer.
 */
const ERRNO_OF: Readonly<Record<DriveErrorCode, number>> = {
  NOT_FOUND: ERRNO.ENOENT,
  EXISTS: ERRNO.EEXIST,
  NOT_A_DIRECTORY: ERRNO.ENOTDIR,
  IS_A_DIRECTORY: ERRNO.EISDIR,
  NOT_EMPTY: ERRNO.ENOTEMPTY,
  NAME_TOO_LONG: ERRNO.ENAMETOOLONG,
  INVALID: ERRNO.EINVAL,
  NOT_PERMITTED: ERRNO.EPERM,
  ACCESS_DENIED: ERRNO.EACCES,
  READ_ONLY: ERRNO.EROFS,
  NOT_SUPPORTED: ERRNO.EOPNOTSUPP,
  CROSS_DEVICE: ERRNO.EXDEV,
  FILE_TOO_LARGE: ERRNO.EFBIG,
  OUT_OF_RANGE: ERRNO.ERANGE,
  NO_DATA: ERRNO.ENODATA,
  NO_SUCH_ADDRESS: ERRNO.ENXIO,
  TOO_MANY_LINKS: ERRNO.EMLINK,
  LOOP: ERRNO.ELOOP,
  BAD_HANDLE: ERRNO.EBADF,
  STALE: ERRNO.ESTALE,
  NO_SPACE: ERRNO.ENOSPC,
  QUOTA: ERRNO.EDQUOT,
  CORRUPT: ERRNO.EIO,
  WRONG_KEY: ERRNO.EIO,
  WRONG_BLOCK: ERRNO.EIO,
  ABORTED: ERRNO.EIO,
  TIMEOUT: ERRNO.ETIMEDOUT,
  OFFLINE: ERRNO.ENETUNREACH,
  NODE_DENIED: ERRNO.EIO,
  NODE_BUSY: ERRNO.EIO,
  NODE_ERROR: ERRNO.EIO,
  DIVERGED: ERRNO.EIO,
  ROLLED_BACK: ERRNO.EIO,
  LOCKED: ERRNO.EBUSY,
  NO_DRIVE: ERRNO.ENODEV,
  DRIVE_EXISTS: ERRNO.EEXIST,
  MOUNT_FAILED: ERRNO.EIO,
  NOT_MOUNTED: ERRNO.ENOTCONN,
  BUSY: ERRNO.EBUSY,
  DAEMON_UNREACHABLE: ERRNO.EIO,
  USAGE: ERRNO.EINVAL,
  INTERNAL: ERRNO.EIO,
}

/** The errno for any thrown value. EIO for a value that is not a DriveError. */
export function errnoOf(error: unknown): number {
  return isDriveError(error) ? ERRNO_OF[error.code] : ERRNO.EIO
}

/** A name for messages: `EBUSY`, or `errno 999`. */
export function errnoName(errno: number): string {
  const known = Object.entries(ERRNO).find(([, value]) => value === errno)
  return known === undefined ? `errno ${errno}` : known[0]
}
