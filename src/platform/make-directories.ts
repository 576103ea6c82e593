/** Makes a directory and its missing parents. */
import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Like `mkdir` with `recursive`. But Node's call never returns when an existing parent answers ENOENT (as in /proc).
 * Existing directories stay unchanged.
 * @param mode of the new directory
 * @param parentMode of its new parents
 * @throws the error of the file system, EEXIST when something else is in the way
 */
export async function makeDirectories(path: string, mode = 0o777, parentMode = mode): Promise<void> {
  try {
    await mkdir(path, { mode })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && (await isDirectory(path))) return
    const parent = dirname(path)
    if (code !== 'ENOENT' || parent === path || (await isDirectory(parent))) throw error
    await makeDirectories(parent, parentMode)
    await makeDirectories(path, mode, parentMode)
  }
}

async function isDirectory(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined) // missing, or a symlink to nothing
  return found?.isDirectory() === true
}
