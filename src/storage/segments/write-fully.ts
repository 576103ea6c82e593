/** Writes blocks one after another, past short writes. */
import type { FileHandle } from 'node:fs/promises'

/** @param start the position of the first byte */
export async function writeFully(file: FileHandle, blocks: readonly Uint8Array[], start: number): Promise<void> {
  let position = start
  for (let first = 0; first < blocks.length; first += 512) {
    const part = blocks.slice(first, first + 512)
    const length = part.reduce((sum, bytes) => sum + bytes.byteLength, 0)
    const { bytesWritten } = await file.writev(part, position)
    // A short write means that the disk is nearly full: writing the rest alone gives the error.
    for (let done = bytesWritten; done < length;) {
      const rest = Buffer.concat(part).subarray(done)
      done += (await file.write(rest, 0, rest.byteLength, position + done)).bytesWritten
    }
    position += length
  }
}
