/** Whether two names have the same thing: what `cp -a` makes of a file that nobody changes. */
import type { BigIntStats } from 'node:fs'
import { open, readlink, type FileHandle } from 'node:fs/promises'
import { statOf, formatOf } from './names.js'

const REGULAR = 0o100000n
const SYMLINK = 0o120000n
const PIECE_BYTES = 1024 * 1024

/** Size and time of a copy are those that its original had before it was read. */
export async function isCopyOf(copy: Buffer, original: Buffer): Promise<boolean> {
  const [made, found] = await Promise.all([statOf(copy), statOf(original)])
  if (made === undefined || found === undefined || formatOf(made) !== formatOf(found)) return false
  return isSame(made, found, copy, original)
}

async function isSame(one: BigIntStats, other: BigIntStats, path: Buffer, otherPath: Buffer): Promise<boolean> {
  if (formatOf(one) === REGULAR) return one.size === other.size && one.mtimeNs === other.mtimeNs
  if (formatOf(one) !== SYMLINK) return one.rdev === other.rdev
  const [target, otherTarget] = await Promise.all([path, otherPath].map((each) => readlink(each, 'buffer')))
  return target!.equals(otherTarget!)
}

/** Compares modes and bytes too. */
export async function isIdentical(path: Buffer, other: Buffer): Promise<boolean> {
  const [one, two] = await Promise.all([statOf(path), statOf(other)])
  if (one === undefined || two === undefined || one.mode !== two.mode) return false
  if (!(await isSame(one, two, path, other))) return false
  return formatOf(one) !== REGULAR || sameBytes(path, other)
}

async function sameBytes(path: Buffer, other: Buffer): Promise<boolean> {
  const files: FileHandle[] = []
  try {
    for (const each of [path, other]) files.push(await open(each))
    const pieces = [Buffer.alloc(PIECE_BYTES), Buffer.alloc(PIECE_BYTES)] as const
    for (let at = 0; ;) {
      const [one, two] = await Promise.all(pieces.map((piece, i) => fill(files[i]!, piece, at)))
      if (!one!.equals(two!)) return false
      if (one!.length === 0) return true
      at += one!.length
    }
  } finally {
    for (const file of files) await file.close()
  }
}

async function fill(file: FileHandle, piece: Buffer, at: number): Promise<Buffer> {
  let length = 0
  while (length < piece.length) {
    const { bytesRead } = await file.read(piece, length, piece.length - length, at + length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return piece.subarray(0, length)
}
