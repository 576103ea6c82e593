/** Paths of any bytes, and free names for files whose name is taken. */
import type { Stats, BigIntStats } from 'node:fs'
import { lstat, opendir } from 'node:fs/promises'

const MOST_NAME_BYTES = 255
const DOT = 0x2e

/** The path of a name in a directory. */
export function entryPath(directory: Buffer, name: Buffer): Buffer {
  return Buffer.concat([directory, Buffer.from('/'), name])
}

/** The names in a directory, which may be removed meanwhile. */
export async function* namesIn(directory: Buffer): AsyncGenerator<Buffer> {
  for await (const { name } of await opendir(directory, { encoding: 'buffer' as BufferEncoding }))
    yield name as unknown as Buffer
}

/** Undefined if nothing is there. */
export async function statOf(path: Buffer): Promise<BigIntStats | undefined> {
  return lstat(path, { bigint: true }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  })
}

export const formatOf = ({ mode }: BigIntStats | Stats): bigint => BigInt(mode) & 0o170000n

/** `name`, then `name (2)`, `name (3)` and so on, before the last extension. Never longer than a name may be. */
export function* candidates(name: Buffer): Generator<Buffer, never> {
  yield name
  const dot = name.lastIndexOf(DOT)
  const [stem, extension] = dot > 0 ? [name.subarray(0, dot), name.subarray(dot)] : [name, Buffer.alloc(0)]
  for (let number = 2; ; number++) {
    const end = Buffer.concat([Buffer.from(` (${number})`), extension])
    yield end.length < MOST_NAME_BYTES
      ? Buffer.concat([whole(stem, MOST_NAME_BYTES - end.length), end])
      : Buffer.concat([whole(name, MOST_NAME_BYTES - 12), Buffer.from(` (${number})`)])
  }
}

/** At most `length` bytes, without part of a character of UTF-8. */
function whole(bytes: Buffer, length: number): Buffer {
  if (bytes.length <= length) return bytes
  let end = length
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}
