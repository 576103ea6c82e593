/** Converts disk failures of a block store to the error codes of the node contract. */
import { DriveError, isDriveError } from '../../base/index.js'

/**
 * NO_SPACE, NODE_DENIED (no permission, read-only disk), OFFLINE (the disk was removed), otherwise NODE_ERROR. A
 * DriveError is returned unchanged.
 */
export function storeError(error: unknown, where: string): DriveError {
  if (error instanceof DriveError) return error
  const code = systemErrorName(error)
  const about = { where, ...(code === undefined ? {} : { errno: code }) }
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new DriveError('NO_SPACE', 'The disk of the block store is full.', { cause: error, about })
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new DriveError('NODE_DENIED', 'The block store cannot be written: permission denied or read-only disk.', {
        cause: error,
        about,
      })
    case 'ENOENT':
    case 'ENODEV':
    case 'ENXIO':
    case 'ESTALE':
      return new DriveError('OFFLINE', 'The disk of the block store is missing.', { cause: error, about })
    default:
      return new DriveError('NODE_ERROR', 'The block store could not be read or written.', { cause: error, about })
  }
}

/** Whether the error means a full disk: the system's ENOSPC or EDQUOT, or our NO_SPACE. */
export function isFull(error: unknown): boolean {
  return isDriveError(error, 'NO_SPACE') || ['ENOSPC', 'EDQUOT'].includes(systemErrorName(error) ?? '')
}

export function systemErrorName(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
