/** Ends the mount that a holder keeps, if nothing can serve it: programs get an error instead of waiting forever. */
import { forceUnmount } from '../../fuse/index.js'
import type { Losses } from '../lifecycle/losses.js'
import type { Holder } from './contract.js'

/** What its log has, and no commit, is lost, and recorded. */
export async function dropHeldMount(
  holder: Pick<Holder, 'held' | 'logged' | 'drop'>,
  losses: Pick<Losses, 'note'>,
): Promise<void> {
  const { held, logged } = holder
  // First, because the log of operations ends with the mount.
  if (held !== undefined && logged > 0) {
    const what = `up to ${logged} operations that are not yet on disk are lost`
    await losses.note(`After the daemon was killed: the drive could not be opened, ${what}.`)
  }
  holder.drop()
  if (held !== undefined) await forceUnmount(held.directory).catch(() => undefined) // it has already ended
}
