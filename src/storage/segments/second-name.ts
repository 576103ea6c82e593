/**
 * A segment file with two names: the block cache has one, and the store of the embedded node on the same disk the
 * other. The file system counts the names, so neither side needs to know of the other. While there are two, nobody
 * punches, truncates or overwrites the file; each side gives its blocks up by removing its own name.
 */
import { fstatSync, linkSync, lstatSync } from 'node:fs'

/** Of link(2): another disk, a file system without hard links, or one where these names may not be made. */
const REFUSED: ReadonlySet<string | undefined> = new Set(['EXDEV', 'EPERM', 'EMLINK', 'EOPNOTSUPP', 'ENOSYS', 'EACCES'])

/** Whether another name of the open file exists. Asked again for each use, as the other side removes its name alone. */
export function hasSecondName(fd: number): boolean {
  return fstatSync(fd).nlink > 1
}

/** @returns whether the file `from` now has the name `to` too, which may have been so before */
export function giveSecondName(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return isSameFile(from, to)
    if (code === 'ENOENT' || REFUSED.has(code)) return false
    throw error
  }
}

function isSameFile(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => lstatSync(path, { bigint: true }))
  return a!.isFile() && a!.dev === b!.dev && a!.ino === b!.ino
}
