/** Replaces files of a store atomically: write a temporary file, sync, rename. */
import { rename, rm, open, type FileHandle } from 'node:fs/promises'

/** Makes a new file at `path`. An existing file or link is removed first. */
export async function createAside(path: string): Promise<FileHandle> {
  await rm(path, { force: true })
  return open(path, 'wx', 0o600)
}

/** Atomic: after a crash the file has the old content or the new one. Durable after `syncDirectory`. */
export async function replaceFile(path: string, content: Uint8Array): Promise<void> {
  const aside = `${path}.new`
  const file = await createAside(aside)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(aside, path)
}
