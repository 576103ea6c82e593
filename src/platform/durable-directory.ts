/** Directories whose entries survive a power cut: a new file is only as durable as the entry that names it. */
import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/** Makes `path` and what is missing above it, private to the user, each entry durable. */
export function makeDurableDirectory(path: string): void {
  const first = mkdirSync(path, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  for (let made = resolve(path); ; made = dirname(made)) {
    syncDirectory(dirname(made))
    if (made === resolve(first) || dirname(made) === made) return
  }
}

/** Entries of the directory durable. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/**
 * The same without keeping the thread: for disks that may be slow. File systems that cannot sync a directory (FAT
 * through FUSE) are let be.
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
