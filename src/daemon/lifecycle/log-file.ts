/** The daemon's log: one private file of bounded size, the part before it kept once as `.1`. */
import { appendFileSync, chmodSync, copyFileSync, statSync, truncateSync } from 'node:fs'

/**
 * @param mostBytes when a line would pass it, the file is copied to `path.1` and emptied in place, so that descriptors
 * of others (the process's own stderr) keep pointing at it. Disk use is at most twice this.
 * @returns a writer of single lines; a full disk loses lines, never the daemon
 */
export function boundedLog(path: string, mostBytes: number): (line: string) => void {
  let size = sizeOf(path)
  return (line) => {
    const text = `${line}\n`
    try {
      if (size + text.length > mostBytes && size > 0) {
        copyFileSync(path, `${path}.1`)
        chmodSync(`${path}.1`, 0o600)
        truncateSync(path, 0)
        size = 0
      }
      appendFileSync(path, text, { mode: 0o600 })
      size += text.length
    } catch {
      // Disk full or directory gone: the log must not take the daemon with it.
    }
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
