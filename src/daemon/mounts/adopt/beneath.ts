/**
 * The directory beneath a mount, opened before the mount hides it, so that its files can be moved into the drive. It
 * stays open until that is done, or the mount ends.
 */
import { constants } from 'node:fs'
import { open, readdir, type FileHandle } from 'node:fs/promises'
import type { AdoptReport } from '../../../api/index.js'
import { DriveError, printable } from '../../../base/index.js'
import { copyAll, emptyFolder, removeFolder, stageCopies } from './copy-aside.js'
import { moveIntoPlace } from './move-into-place.js'

/** So many new names are in a report. */
const MOST_NAMED = 100

/** Kept open by `Mounts`, one for the drive. */
export class Beneath {
  #directory = ''
  #handle: FileHandle | undefined
  #isBusy = false

  /** To be called before the mount. */
  async open(directory: string): Promise<void> {
    if (this.#handle !== undefined && this.#directory === directory) return
    await this.close()
    this.#handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
    this.#directory = directory
  }

  /** Whether files may be left to move. */
  isOpen(directory: string): boolean {
    return this.#handle !== undefined && this.#directory === directory
  }

  async close(): Promise<void> {
    // The descriptor's number is in paths: another file must not get it.
    if (this.#isBusy) return
    const handle = this.#handle
    this.#handle = undefined
    await handle?.close()
  }

  /**
   * Moves everything into the drive, which is mounted over it. It can be interrupted anywhere and repeated: an original
   * is removed only when its copy is staged and in place.
   * @throws BUSY if the directory beneath was not opened before the mount, or is being moved
   */
  async adopt(directory: string, isEnded: () => boolean, signal: AbortSignal): Promise<AdoptReport> {
    const handle = this.#handle
    if (handle === undefined || this.#directory !== directory) throw new DriveError('BUSY', hidden(directory))
    if (this.#isBusy) throw new DriveError('BUSY', 'Files are being moved into the drive already.')
    this.#isBusy = true
    const { mode } = await handle.stat()
    let left = -1
    try {
      await handle.chmod(0o700)
      const report = await this.#move(handle, signal)
      left = report.left
      return report
    } finally {
      await handle.chmod(mode & 0o7777)
      this.#isBusy = false
      if (left === 0 || isEnded()) await this.close()
    }
  }

  async #move(handle: FileHandle, signal: AbortSignal): Promise<AdoptReport> {
    const originals = Buffer.from(`/proc/self/fd/${String(handle.fd)}`)
    const drive = Buffer.from(this.#directory)
    const renamed: { from: string; to: string }[] = []
    let [moved, renames] = [0, 0]
    const folder = await emptyFolder(drive, originals)
    const problem = await copyAll(handle.fd, folder, signal)
    await stageCopies(folder, originals, signal)
    await moveIntoPlace(folder, drive, originals, {
      signal,
      onMoved: () => moved++,
      onRenamed: (from, to) => {
        renames++
        if (renamed.length < MOST_NAMED) renamed.push({ from: shown(from), to: shown(to) })
      },
    })
    await removeFolder(folder)
    const left = (await readdir(originals)).length
    return { moved, renamed, moreRenamed: renames - renamed.length, left, problem }
  }
}

const shown = (path: Buffer): string => printable(path.toString())

const hidden = (directory: string): string =>
  `The drive is mounted at ${directory} already. What is beneath the mount can be moved after "dagdrive unmount".`
