/**
 * Whether the log of operations has any that are not on disk, in a small file of the home. The log itself is only in
 * memory: if its holder ends with the daemon, or gives up, the file is all that tells the next daemon of it.
 *
 * The file is written over in place and not synced: it outlives processes, and no new block of the disk is needed.
 * After a crash of the machine it says nothing.
 */
import { constants, readFileSync, writeSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { systemClock } from '../../base/index.js'
import { openHomeFile, readHomeFile, writePrivateFile } from '../../platform/index.js'

const MARK_BYTES = 128
const BOOT_ID = '/proc/sys/kernel/random/boot_id'

/** The mark of one mount. */
export class LogMark {
  readonly #write: (sinceMs: number | undefined) => void
  readonly #nowMs: () => number
  /** Earlier operations of the log are on disk; undefined while it is empty. */
  #sinceMs: number | undefined
  /** Once the log is trimmed up to this position, earlier operations than `atMs` are on disk. */
  #next: { readonly position: number; readonly atMs: number } | undefined

  /** @param sinceMs what the last daemon wrote, if its log is taken over */
  constructor(
    write: (sinceMs: number | undefined) => void,
    sinceMs?: number,
    nowMs: () => number = () => systemClock.nowMs(),
  ) {
    this.#write = write
    this.#sinceMs = sinceMs
    this.#nowMs = nowMs
  }

  /** Before an operation is answered that the log has. */
  logged(): void {
    if (this.#sinceMs === undefined) this.#put(this.#nowMs())
  }

  /** After a trim. The positions are those of the log; an empty log has only what is on disk. */
  trimmed({ tail, head }: { readonly tail: number; readonly head: number }): void {
    if (this.#sinceMs === undefined) return
    if (tail >= head) {
      this.#next = undefined
      return this.#put(undefined)
    }
    if (this.#next !== undefined && tail < this.#next.position) return
    if (this.#next !== undefined) this.#put(this.#next.atMs)
    this.#next = { position: head, atMs: this.#nowMs() }
  }

  #put(sinceMs: number | undefined): void {
    this.#sinceMs = sinceMs
    this.#write(sinceMs)
  }
}

/** The mark, and its open file. */
export interface OpenedLogMark {
  readonly mark: LogMark
  readonly close: () => void
}

/** Makes the file, without a mark. Does nothing if it is there with its whole size. */
export async function reserveLogMark(path: string): Promise<void> {
  if ((await readHomeFile(path))?.length !== MARK_BYTES) await writePrivateFile(path, textOf(undefined))
}

/** Undefined if the file is missing, or cannot be opened: then nothing is marked. The caller calls `close`. */
export async function openLogMark(path: string | undefined): Promise<OpenedLogMark | undefined> {
  const file = path && (await openHomeFile(path, constants.O_RDWR).catch(() => undefined))
  if (path === undefined || !file) return undefined
  const write = (sinceMs: number | undefined): void => writeOver(file, sinceMs)
  return {
    mark: new LogMark(write, await markedSince(path)),
    close: () => void file.close().catch(() => undefined), // nothing is buffered
  }
}

/** Removes the mark: the log has ended, and what it had is on disk, or was recorded as lost. */
export async function clearLogMark(path: string): Promise<void> {
  const file = await openHomeFile(path, constants.O_RDWR).catch(() => undefined)
  if (file === undefined) return
  writeOver(file, undefined)
  await file.close()
}

/**
 * Since when the log had operations that were not on disk, in milliseconds since 1970. Undefined if it had none, or if
 * the machine was started again meanwhile.
 */
export async function markedSince(path: string): Promise<number | undefined> {
  try {
    const { boot, sinceMs } = JSON.parse((await readHomeFile(path))?.toString('latin1') ?? '{}') as Partial<Mark>
    return boot === bootId() && Number.isSafeInteger(sinceMs) ? sinceMs : undefined
  } catch {
    return undefined // it is damaged, or something else is in its place
  }
}

interface Mark {
  readonly boot: string
  readonly sinceMs: number
}

function writeOver(file: FileHandle, sinceMs: number | undefined): void {
  try {
    writeSync(file.fd, textOf(sinceMs), 0, MARK_BYTES, 0)
  } catch {
    // A file system that does not write in place has no space, or the disk fails, which other writes report.
  }
}

function textOf(sinceMs: number | undefined): Buffer {
  const mark: Partial<Mark> = sinceMs === undefined ? {} : { boot: bootId(), sinceMs }
  return Buffer.from(JSON.stringify(mark).padEnd(MARK_BYTES - 1) + '\n', 'latin1')
}

let boot: string | undefined
const bootId = (): string => (boot ??= readFileSync(BOOT_ID, 'latin1').trim())
