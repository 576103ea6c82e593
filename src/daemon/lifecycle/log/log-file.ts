/** The daemon's log: one private file of bounded size, and its predecessor as `.1`. */
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  openSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs'

/**
 * @param mostBytes before the file exceeds this size, it is copied to `path.1` and truncated in place, so that other
 * descriptors (the stderr of this process) stay valid. Disk use is at most twice this size
 * @returns a writer of single lines; a full disk loses lines but does not stop the daemon
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
      append(path, text)
      size += text.length
    } catch {
      // The disk is full or the directory is gone. The log must not stop the daemon.
    }
  }
}

/**
 * What libraries print goes to the same file, through the standard error of this process. A full disk loses it, without
 * a failure of the daemon.
 */
export function loseOutputOfFullDisk(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants

/** The log is not written through a link or a pipe, and no call waits for one; see openHomeFile. */
function append(path: string, text: string): void {
  const fd = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600)
  try {
    if (fstatSync(fd).isFile()) writeSync(fd, text)
  } finally {
    closeSync(fd)
  }
}
