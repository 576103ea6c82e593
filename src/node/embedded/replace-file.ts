/** Files of a store that are replaced whole: written aside, synced, renamed. */
import { rename, rm, open, type FileHandle } from 'node:fs/promises'

/** A new file at `path`; whatever was there, a link too, is removed first. */
export async function createAside(path: string): Promise<FileHandle> {
  await rm(path, { force: true })
  return open(path, 'wx', 0o600)
}

/** Atomic: after a crash the old content is there or the new one. Durable after `syncDirectory`. */
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
