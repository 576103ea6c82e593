/**
 * Every error code of this program, and whether a retry can help. Tables from a code to an errno, an exit status or an
 * HTTP status live with their users (fuse, cli, api); each is a `Record<DriveErrorCode, number>`, so a missing row does
 * not compile.
 */

/** When a retry of a failed call can succeed. */
export type Retry = 'never' | 'backoff' | 'when-online' | 'after-user-acts'

export const DRIVE_ERRORS = {
  // the tree
  NOT_FOUND: 'never',
  EXISTS: 'never',
  NOT_A_DIRECTORY: 'never',
  IS_A_DIRECTORY: 'never',
  NOT_EMPTY: 'never',
  NAME_TOO_LONG: 'never',
  INVALID: 'never',
  NOT_PERMITTED: 'never',
  ACCESS_DENIED: 'never',
  READ_ONLY: 'never',
  NOT_SUPPORTED: 'never',
  CROSS_DEVICE: 'never',
  FILE_TOO_LARGE: 'never',
  OUT_OF_RANGE: 'never',
  NO_DATA: 'never',
  NO_SUCH_ADDRESS: 'never',
  TOO_MANY_LINKS: 'never',
  LOOP: 'never',
  BAD_HANDLE: 'never',
  STALE: 'never',
  // space
  NO_SPACE: 'after-user-acts',
  QUOTA: 'after-user-acts',
  // bytes and keys
  CORRUPT: 'never',
  WRONG_KEY: 'after-user-acts',
  WRONG_BLOCK: 'backoff',
  // waiting
  ABORTED: 'never',
  TIMEOUT: 'backoff',
  // nodes and heads
  OFFLINE: 'when-online',
  NODE_DENIED: 'after-user-acts',
  NODE_BUSY: 'backoff',
  NODE_ERROR: 'backoff',
  DIVERGED: 'after-user-acts',
  ROLLED_BACK: 'after-user-acts',
  // the program
  LOCKED: 'after-user-acts',
  NO_DRIVE: 'after-user-acts',
  DRIVE_EXISTS: 'after-user-acts',
  MOUNT_FAILED: 'after-user-acts',
  NOT_MOUNTED: 'after-user-acts',
  BUSY: 'backoff',
  DAEMON_UNREACHABLE: 'after-user-acts',
  USAGE: 'never',
  INTERNAL: 'never',
} as const satisfies Record<string, Retry>

export type DriveErrorCode = keyof typeof DRIVE_ERRORS

/** A failure with a code from the table, a sentence a user can read, and facts without secrets. */
export class DriveError extends Error {
  override readonly name = 'DriveError'
  readonly code: DriveErrorCode
  readonly about: Readonly<Record<string, string | number | boolean>>

  constructor(
    code: DriveErrorCode,
    message: string,
    options: { cause?: unknown; about?: Readonly<Record<string, string | number | boolean>> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.about = options.about ?? {}
  }

  get retry(): Retry {
    return DRIVE_ERRORS[this.code]
  }
}

/** True for a `DriveError`; with `code`, only for one with that code. Works across copies of this module. */
export function isDriveError(error: unknown, code?: DriveErrorCode): error is DriveError {
  return error instanceof DriveError && (code === undefined || error.code === code)
}

/** The plain form that crosses threads and sockets; `fromWire` restores it. */
export interface WireError {
  readonly code: DriveErrorCode
  readonly message: string
  readonly about: Readonly<Record<string, string | number | boolean>>
}

/**
 * Any thrown value as a `WireError`. Failures of a disk get their own code. Another value that is not a `DriveError`
 * becomes INTERNAL with its own message.
 */
export function toWire(error: unknown): WireError {
  if (error instanceof DriveError) return { code: error.code, message: error.message, about: error.about }
  const disk = diskFailure(error)
  if (disk !== undefined) return toWire(disk)
  return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error), about: {} }
}

/** A full or read-only disk by its own code; undefined for any other failure. */
export function diskFailure(error: unknown): DriveError | undefined {
  if (!(error instanceof Error)) return undefined
  const { code, errno } = error as { readonly code?: unknown; readonly errno?: unknown }
  // LMDB gives only the system's number, and Node.js has no name for EDQUOT.
  const number = typeof code === 'number' ? code : typeof errno === 'number' ? -errno : 0
  const disk = DISK_FAILURES[SYSTEM_ERRORS[number] ?? String(code)]
  return disk && new DriveError(disk[0], `${disk[1]}: ${error.message}`, { cause: error })
}

/** By the number of Linux. */
const SYSTEM_ERRORS: Readonly<Record<number, string>> = { 28: 'ENOSPC', 30: 'EROFS', 122: 'EDQUOT' }

/** By the name of the system's error. */
const DISK_FAILURES: Readonly<Record<string, readonly [DriveErrorCode, string]>> = {
  ENOSPC: ['NO_SPACE', 'The disk is full'],
  EDQUOT: ['QUOTA', 'The disk quota is full'],
  EROFS: ['READ_ONLY', 'The disk is read-only'],
}

export function fromWire(wire: WireError): DriveError {
  return new DriveError(wire.code, wire.message, { about: wire.about })
}
