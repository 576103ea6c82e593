/**
 * Whole files as streams over `Files`, from another thread. A fixed number of reads run ahead of the reader, so memory
 * is bounded for files of any size.
 */
import { MIB, throwIfAborted } from '../base/index.js'
import type { Condition, FileInfo, Files, FilePlace } from './contract.js'

const PIECE_BYTES = MIB
/** Number of parallel reads. */
const READS_AHEAD = 4

/**
 * Bytes `start … end` (exclusive; the end of the file by default) in pieces. The file stays open until the stream has
 * ended.
 */
export async function* readStream(
  files: Pick<Files, 'open' | 'read' | 'close'>,
  place: FilePlace,
  range: { readonly start?: number; readonly end?: number; readonly signal?: AbortSignal } = {},
): AsyncGenerator<Uint8Array> {
  const { handle, info } = await files.open(place)
  const { start = 0, end = info.size, signal } = range
  const last = Math.min(end, info.size)
  const ahead: Promise<Uint8Array>[] = []
  let asked = start
  const ask = (): void => {
    if (asked >= last) return
    const piece = files.read(handle, asked, Math.min(PIECE_BYTES, last - asked))
    piece.catch(() => {
      // The failure is thrown when the reader gets to this piece. It is dropped if the reader has gone.
    })
    ahead.push(piece)
    asked += PIECE_BYTES
  }
  try {
    for (let i = 0; i < READS_AHEAD; i++) ask()
    for (let next = ahead.shift(); next !== undefined; next = ahead.shift()) {
      throwIfAborted(signal)
      const bytes = await next
      if (bytes.length === 0) return // the file was truncated meanwhile
      ask()
      yield bytes
    }
  } finally {
    await files.close(handle)
  }
}

/** Replaces the content of a file atomically. The source is read no faster than the tree accepts it. */
export async function writeStream(
  files: Pick<Files, 'beginWrite' | 'append' | 'commit' | 'abandon'>,
  path: string,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: Condition & { readonly mode?: number; readonly origin: string; readonly signal?: AbortSignal },
): Promise<FileInfo> {
  const { origin, signal, ...condition } = options
  const upload = await files.beginWrite(path, condition, origin)
  try {
    for await (const bytes of source) {
      throwIfAborted(signal)
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
        await files.append(upload, bytes.subarray(at, at + PIECE_BYTES))
      }
    }
    throwIfAborted(signal)
  } catch (error) {
    await files.abandon(upload)
    throw error
  }
  return files.commit(upload)
}
