/** The exit status of every failure; part of the command line's contract (docs/CLI.md). */
import type { DriveErrorCode } from '../base/index.js'

export const EXIT_STATUS: Readonly<Record<DriveErrorCode, number>> = {
  INTERNAL: 1,
  USAGE: 2,
  // 3 to 6 are in OTHER_STATUS
  NO_DRIVE: 10,
  DRIVE_EXISTS: 11,
  LOCKED: 12,
  WRONG_KEY: 13,
  DAEMON_UNREACHABLE: 14,
  MOUNT_FAILED: 15,
  NOT_MOUNTED: 16,
  BUSY: 17,
  OFFLINE: 20,
  NODE_DENIED: 21,
  NODE_BUSY: 22,
  NODE_ERROR: 23,
  TIMEOUT: 24,
  DIVERGED: 25,
  ROLLED_BACK: 26,
  CORRUPT: 30,
  WRONG_BLOCK: 31,
  NO_SPACE: 32,
  QUOTA: 33,
  NOT_FOUND: 40,
  EXISTS: 41,
  NOT_A_DIRECTORY: 42,
  IS_A_DIRECTORY: 43,
  NOT_EMPTY: 44,
  NAME_TOO_LONG: 45,
  INVALID: 46,
  NOT_PERMITTED: 47,
  ACCESS_DENIED: 48,
  READ_ONLY: 49,
  NOT_SUPPORTED: 50,
  CROSS_DEVICE: 51,
  FILE_TOO_LARGE: 52,
  OUT_OF_RANGE: 53,
  NO_DATA: 54,
  NO_SUCH_ADDRESS: 55,
  TOO_MANY_LINKS: 56,
  LOOP: 57,
  BAD_HANDLE: 58,
  STALE: 59,
  ABORTED: 130,
}

/** Statuses that are not failures of the program. */
export const OTHER_STATUS = {
  done: 0,
  /** `unmount --now`: unmounted, and some data is only on this machine. */
  leftStaged: 3,
  /** `doctor` found a problem that must be repaired, or `status` a drive that cannot be opened. */
  problemsFound: 4,
  /** `fsck`: found damage that can be repaired, or that may be repairable. */
  damageFound: 5,
  /** `fsck`: found damage without any good copy. */
  filesLost: 6,
} as const
