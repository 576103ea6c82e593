/**
 * The content of `drive.json` of a golden drive. Byte strings are hex; names and paths have one character for each byte
 * (latin1).
 */
import { createHash } from 'node:crypto'
import { hex } from '../../src/base/index.js'
import type { EntryRecord } from '../../src/dag/index.js'

export interface GoldenDrive {
  readonly format: 1
  readonly phrase: string
  readonly rootKey: string
  readonly driveId: string
  /** CIDs of the version roots, oldest first; the entries belong to the last. */
  readonly versions: readonly string[]
  /** The drive name, then the head name of the device. */
  readonly names: readonly {
    readonly name: string
    readonly cid: string
    readonly sequence: number
    readonly validUntilMs: number
    readonly ttlMs: number
    readonly record: string
  }[]
  readonly entries: readonly GoldenEntry[]
  /** The pin tree over the SHA-256 of the decimal numbers from 0. */
  readonly forest: { readonly numbers: number; readonly bits: number; readonly nodes: number; readonly root: string }
}

export interface GoldenEntry {
  readonly path: string
  readonly fileId: string
  /** mode, uid, gid, nlink, rdev, size */
  readonly attributes: readonly number[]
  /** atime, mtime, ctime, btime: seconds and nanoseconds each */
  readonly times: readonly number[]
  readonly fixedChunks: boolean
  readonly xattrs: Readonly<Record<string, string>>
  /** SHA-256 of the file's bytes or of the symlink's target. */
  readonly sha256: string | null
}

export function describeEntry(path: string, entry: EntryRecord, bytes: Uint8Array | undefined): GoldenEntry {
  return {
    path,
    fileId: hex(entry.fileId),
    attributes: [entry.mode, entry.uid, entry.gid, entry.nlink, entry.rdev, entry.size],
    times: [
      ...[entry.atimeSec, entry.atimeNsec, entry.mtimeSec, entry.mtimeNsec],
      ...[entry.ctimeSec, entry.ctimeNsec, entry.btimeSec, entry.btimeNsec],
    ],
    fixedChunks: entry.fixedChunks,
    xattrs: Object.fromEntries(entry.xattrs.map(({ name, value }) => [name, hex(value)])),
    sha256: bytes === undefined ? null : createHash('sha256').update(bytes).digest('hex'),
  }
}
