import { openSync, writeSync, fstatSync, closeSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { BlockLocation, SegmentWriter } from '../store/index.js'
export type { BlockLocation, SegmentWriter }

export function openSegmentWriter(directory: string): SegmentWriter {
  let segment = readdirSync(directory).length
  let fd = -1
  let at = 0
  const next = (): void => {
    if (fd >= 0) closeSync(fd)
    for (;;) {
      try {
        fd = openSync(join(directory, `${segment}.seg`), 'wx', 0o600)
        at = fstatSync(fd).size
        return
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
        segment++
      }
    }
  }
  return {
    append(bytes, lengths) {
      if (fd < 0 || at > 64 * 1024 * 1024) next()
      const start = at
      for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done, start + done)
      return lengths.map((length) => ({ segment, offset: (at += length) - length, length }))
    },
    close: () => closeSync(fd),
  }
}
