/** Larger read-ahead and more dirty memory than the kernel gives a FUSE mount. Only about speed. */
import { writeFile } from 'node:fs/promises'
import type { MountEntry } from './mount-info.js'

/** The kernel offers 128 KiB and INIT cannot raise it; with this a cold sequential read arrives as 1 MiB requests. */
const READAHEAD_KIB = 1024
/** Percent of memory that may be dirty; the kernel starts at 1, which throttles long writes. */
const MAX_DIRTY_RATIO = 40

export async function tuneMount(entry: MountEntry): Promise<void> {
  for (const [file, value] of [
    ['read_ahead_kb', READAHEAD_KIB],
    ['max_ratio', MAX_DIRTY_RATIO],
  ] as const) {
    try {
      await writeFile(`/sys/class/bdi/${entry.device}/${file}`, String(value))
    } catch {
      // Not root, or a kernel without this file: the mount works with the kernel's own values.
    }
  }
}
