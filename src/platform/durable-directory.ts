/** Directories whose entries survive a power cut: a new file survives only if its directory entry does. */
import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/** Makes `path` and its missing parents, private to the user, each entry durable. */
export function makeDurableDirectory(path: string): void {
  const first = mkdirSync(path, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  for (let made = resolve(path); ; made = dirname(made)) {
    syncDirectory(dirname(made))
    if (made === resolve(first) || dirname(made) === made) return
  }
}

/** Makes the entries of the directory durable. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/**
 * Like `syncDirectory`, without blocking the thread: for disks that may be slow. The error of a file system that cannot
 * sync a directory (FAT through FUSE) is ignored.
 */
export async function syncDirectoryLater(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error
  } finally {
    await directory.close()
  }
}
