/** Raises read-ahead and dirty memory above the kernel's defaults for FUSE mounts. Affects speed only. */
import { writeFile } from 'node:fs/promises'
import type { MountEntry } from './mount-info.js'

/**
 * The kernel's default is 128 KiB, and INIT cannot raise it. With this value, cold sequential reads arrive as 1 MiB
 * requests.
 */
const READAHEAD_KIB = 1024
/** Percentage of memory that may be dirty. The kernel's default of 1 throttles long writes. */
const MAX_DIRTY_RATIO = 40

export async function tuneMount(entry: MountEntry): Promise<void> {
  for (const [file, value] of [
    ['read_ahead_kb', READAHEAD_KIB],
    ['max_ratio', MAX_DIRTY_RATIO],
  ] as const) {
    try {
      await writeFile(`/sys/class/bdi/${entry.device}/${file}`, String(value))
    } catch {
      // Without root, or on a kernel without this file, the mount uses the kernel's defaults.
    }
  }
}
