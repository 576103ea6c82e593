/** The first step of adopting: a whole copy in a folder of its own in the drive, staged, before any name is taken. */
import { spawn } from 'node:child_process'
import { chmod, mkdir, open, rmdir, unlink } from 'node:fs/promises'
import { DriveError, throwIfAborted } from '../../../base/index.js'
import { namesIn, entryPath, statOf, formatOf } from './names.js'
import { isCopyOf } from './same-entry.js'

const DIRECTORY = 0o040000n
const REGULAR = 0o100000n
const FOLDER = Buffer.from('.dagdrive-adopting')
const MOST_COMPLAINT_CHARACTERS = 4000

/** Where copies are until they get their names. What an interrupted run left there are copies, and it is removed. */
export async function emptyFolder(drive: Buffer, originals: Buffer): Promise<Buffer> {
  if ((await statOf(entryPath(originals, FOLDER))) !== undefined)
    throw new DriveError('EXISTS', `A file beneath the mount is called ${FOLDER.toString()}. Rename it first.`)
  const folder = entryPath(drive, FOLDER)
  await removeFolder(folder)
  await mkdir(folder, { mode: 0o700 })
  return folder
}

/** Copies keep the modes of their originals, also of directories that cannot be changed. */
export async function removeFolder(folder: Buffer): Promise<void> {
  if ((await statOf(folder)) === undefined) return
  await chmod(folder, 0o700)
  for await (const name of namesIn(folder)) {
    const path = entryPath(folder, name)
    const found = await statOf(path)
    if (found !== undefined && formatOf(found) === DIRECTORY) await removeFolder(path)
    else await unlink(path)
  }
  await rmdir(folder)
}

/**
 * Copies with `cp -a`: modes, owners, times, attributes, links, holes and special files.
 * @returns the reason if some could not be copied
 */
export function copyAll(directory: number, folder: Buffer, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn('cp', ['-a', '--', '/proc/self/fd/3/.', `${folder.toString()}/.`], {
      stdio: ['ignore', 'ignore', 'pipe', directory],
      env: { ...process.env, LC_ALL: 'C' },
      signal,
    })
    let complaint = ''
    child.stderr!.on('data', (text: Buffer) => {
      if (complaint.length < MOST_COMPLAINT_CHARACTERS) complaint += text.toString()
    })
    child.once('error', reject)
    child.once('close', (code) => resolve(code === 0 ? undefined : reasonIn(complaint)))
  })
}

/** The last part of the first complaint, which names no file. */
function reasonIn(complaint: string): string {
  return /: ([A-Z][a-z ]+)$/m.exec(complaint)?.[1] ?? 'cp failed'
}

/** Makes every copy durable. One that was cut, or whose original changed meanwhile, is removed. */
export async function stageCopies(copies: Buffer, originals: Buffer, signal: AbortSignal): Promise<void> {
  for await (const name of namesIn(copies)) {
    throwIfAborted(signal)
    const [copy, original] = [entryPath(copies, name), entryPath(originals, name)]
    const found = await statOf(copy)
    if (found === undefined) continue
    if (formatOf(found) === DIRECTORY) {
      const mode = Number(found.mode & 0o7777n)
      if ((mode & 0o700) !== 0o700) await chmod(copy, mode | 0o700)
      await stageCopies(copy, original, signal)
      if ((mode & 0o700) !== 0o700) await chmod(copy, mode)
    } else if (!(await isCopyOf(copy, original))) await unlink(copy)
    else if (formatOf(found) === REGULAR) await makeStaged(copy)
  }
  await makeStaged(copies)
}

/** Makes a file or a directory `staged`. */
export async function makeStaged(path: Buffer): Promise<void> {
  const file = await open(path)
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
