/** Replaces a dead mount by a new one, so that the directory beneath is never uncovered. Root only. */
import { mkdtemp, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FuseNative, NativeOutcome } from '../transports/native.js'

/**
 * Mounts on a temporary directory, moves the mount beneath the dead one at `mountpoint`, and removes the dead one.
 * @returns the result of `mount`, or why it failed
 */
export async function mountBeneath(
  addon: FuseNative,
  mountpoint: string,
  mount: (target: string) => Promise<NativeOutcome>,
): Promise<NativeOutcome> {
  const beside = await mkdtemp(join(tmpdir(), 'dagdrive-mount-'))
  try {
    const outcome = await mount(beside)
    if (outcome.result < 0 || addon.placeBeneath === undefined) return outcome
    const placed = await addon.placeBeneath(beside, mountpoint)
    if (placed.result >= 0) return outcome
    addon.closeDescriptor?.(outcome.result)
    return placed
  } finally {
    await rmdir(beside)
  }
}
