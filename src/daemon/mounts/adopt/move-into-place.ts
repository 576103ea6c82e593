/** The second step of adopting: copies get their names in the drive, and originals with a staged copy are removed. */
import { chmod, link, rename, rmdir, unlink } from 'node:fs/promises'
import { throwIfAborted } from '../../../base/index.js'
import { makeStaged } from './copy-aside.js'
import { candidates, namesIn, entryPath, statOf, formatOf } from './names.js'
import { isCopyOf, isIdentical } from './same-entry.js'

const DIRECTORY = 0o040000n
/** So many names are made durable at once. */
const BATCH = 256

/** What the caller of `moveIntoPlace` is told, and how it stops it. */
export interface Mover {
  readonly signal: AbortSignal
  /** A name was taken: the file or directory is kept under another one. */
  onRenamed(from: Buffer, to: Buffer): void
  onMoved(): void
}

interface Pair {
  readonly original: Buffer
  readonly copy: Buffer
}

/** Directories that exist on both sides are merged; the one in the drive keeps its attributes. */
export async function moveIntoPlace(copies: Buffer, drive: Buffer, originals: Buffer, mover: Mover): Promise<void> {
  let batch: Pair[] = []
  const finish = async (): Promise<void> => {
    await makeStaged(drive)
    for (const { original, copy } of batch) await removeOriginal(original, copy, mover)
    batch = []
  }
  for await (const name of namesIn(copies)) {
    throwIfAborted(mover.signal)
    const [from, to, original] = [entryPath(copies, name), entryPath(drive, name), entryPath(originals, name)]
    if ((await isDirectory(from)) && (await isDirectory(to))) {
      await chmod(from, 0o700)
      await moveIntoPlace(from, to, original, mover)
      await rmdir(from)
      await rmdir(original).catch(() => undefined) // something is left in it
      continue
    }
    const found = await place(from, drive, name)
    if (!found.equals(name)) mover.onRenamed(to, entryPath(drive, found))
    batch.push({ original, copy: entryPath(drive, found) })
    if (batch.length >= BATCH) await finish()
  }
  await finish()
}

/** @returns the name it got: its own, or the first free one */
async function place(from: Buffer, drive: Buffer, name: Buffer): Promise<Buffer> {
  const isFolder = await isDirectory(from)
  const names = candidates(name)
  for (;;) {
    const candidate = names.next().value
    const to = entryPath(drive, candidate)
    const taken = await statOf(to)
    if (taken === undefined && (isFolder ? await moveDirectory(from, to) : await moveFile(from, to))) return candidate
    // An interrupted run had placed it already.
    if (isFolder || !(await isIdentical(from, to))) continue
    await makeStaged(drive)
    await unlink(from)
    return candidate
  }
}

/** Without replacing a file that somebody makes meanwhile. */
async function moveFile(from: Buffer, to: Buffer): Promise<boolean> {
  try {
    await link(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
  await unlink(from)
  return true
}

async function moveDirectory(from: Buffer, to: Buffer): Promise<boolean> {
  try {
    const { mode } = (await statOf(from))!
    const needsWrite = (mode & 0o200n) === 0n
    if (needsWrite) await chmod(from, Number(mode & 0o7777n) | 0o200)
    await rename(from, to)
    if (needsWrite) await chmod(to, Number(mode & 0o7777n))
    return true
  } catch (error) {
    // Somebody made something there meanwhile.
    if (['EEXIST', 'ENOTEMPTY', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}

/** Only what is still like its copy is removed. */
async function removeOriginal(original: Buffer, copy: Buffer, mover: Mover): Promise<void> {
  if (await isDirectory(original)) {
    if (!(await isDirectory(copy))) return
    for await (const name of namesIn(original))
      await removeOriginal(entryPath(original, name), entryPath(copy, name), mover)
    await rmdir(original).catch(() => undefined) // something is left in it
  } else if (await isCopyOf(copy, original)) {
    // In a directory that this user cannot change, it is left.
    await unlink(original).then(
      () => mover.onMoved(),
      () => undefined,
    )
  }
}

async function isDirectory(path: Buffer): Promise<boolean> {
  const found = await statOf(path)
  return found !== undefined && formatOf(found) === DIRECTORY
}
