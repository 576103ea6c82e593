/** Puts the name of a mount back that was detached while programs use it (`umount -l`). */
import type { Log } from '../../base/index.js'
import type { FuseMount, MountOptions } from '../contract.js'
import { openPlace } from './place.js'

/**
 * Root mounts the same connection again, so programs inside and outside share one cache. Other users cannot: their
 * helper makes only new connections. Then the old one is aborted, because the kernel would keep two caches of one tree.
 * @returns whether the path shows the mount; otherwise the mount has ended
 * @throws BUSY (something else is mounted there), NOT_EMPTY, NOT_FOUND, NOT_A_DIRECTORY
 */
export async function showAgain(
  mount: Pick<FuseMount, 'mountpoint' | 'isShown' | 'attach' | 'writeBack' | 'abort' | 'ended'>,
  { again = false }: Pick<MountOptions, 'again'>,
  log: Log,
): Promise<boolean> {
  if (await mount.isShown()) return true
  const place = await openPlace(mount.mountpoint, { over: false, again, exact: true, canReplace: false }, log)
  try {
    if (await mount.attach(place.target)) {
      await place.guard()
      log.info('a detached mount is shown again')
      return true
    }
  } finally {
    await place.close()
  }
  log.warn('a detached mount is ended: programs that still use it get errors')
  await mount.writeBack()
  await mount.abort()
  await mount.ended
  return false
}
