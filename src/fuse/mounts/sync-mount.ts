/** Asks the kernel for the dirty pages of a mount that has a name. write-back.ts serves one without. */
import { DriveError } from '../../base/index.js'
import { ERRNO, errnoName } from '../protocol/errno.js'
import type { FuseNative } from '../transports/native.js'

/**
 * syncfs(2). Succeeds for a mount that has ended.
 * @throws NO_SPACE, QUOTA, BUSY: the kernel could not write a page, now or since the last call. It sends none again.
 */
export async function syncMount(addon: Pick<FuseNative, 'syncfs'>, mountpoint: string): Promise<void> {
  const { result } = await addon.syncfs(mountpoint)
  if (result === 0 || result === -ERRNO.ENOTCONN || result === -ERRNO.ECONNABORTED) return
  const code = result === -ERRNO.ENOSPC ? 'NO_SPACE' : result === -ERRNO.EDQUOT ? 'QUOTA' : 'BUSY'
  throw new DriveError(code, `Written data could not be flushed: ${errnoName(-result)}`)
}
