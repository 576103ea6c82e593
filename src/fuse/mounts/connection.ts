/** One mount among those at its path, known by the number of its connection. */
import { DriveError } from '../../base/index.js'
import { findMount, type MountEntry } from './mount-info.js'
import { abortConnection } from './stale.js'

/** @param entry undefined if the mount's name was detached before its server took it over */
export function connectionOf(
  mountpoint: string,
  entry: MountEntry | undefined,
): { isShown(): Promise<boolean>; abort(): Promise<void> } {
  return {
    async isShown() {
      const top = await findMount(mountpoint)
      return top !== undefined && top.minor === entry?.minor
    },
    async abort() {
      if (entry === undefined) throw new DriveError('BUSY', 'Programs still use a drive that was detached there.')
      await abortConnection(entry.minor)
    },
  }
}
