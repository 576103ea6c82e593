/**
 * Makes the kernel send what programs wrote through shared mappings, where the mount has no name any more, so that
 * syncfs(2) cannot be called. The kernel writes the dirty pages of a file when it is told to drop its pages. A program
 * with a mapping reads them again.
 */
import { readdir, readFile } from 'node:fs/promises'
import { sleep } from '../../base/index.js'

/** A page that is being read from a node is waited for. */
const MOST_MS = 10_000

export interface WriteBackParts {
  /** Inodes that the kernel is known to have open. */
  readonly openFiles: () => Iterable<number>
  /** Resolves when the kernel has written and dropped the pages of the range; a length of 0 means all. */
  readonly dropPages: (ino: number, offset: number, length: number) => Promise<void>
  /** The kernel does not report that a write failed while it dropped pages. */
  readonly writes: { lastFailure?: Error | undefined }
}

/**
 * @param minor the number of the connection. Without it, files that an earlier server opened are not found.
 * @throws the error of a write that failed meanwhile; the kernel does not send its page again
 */
export async function writeBack(
  { openFiles, dropPages, writes }: WriteBackParts,
  minor: number | undefined,
): Promise<void> {
  writes.lastFailure = undefined
  const mapped = minor === undefined ? [] : await mappedInodes(minor)
  const inos = new Set([...mapped, ...openFiles()])
  const timer = new AbortController()
  const late = sleep(MOST_MS, timer.signal).catch(() => undefined) // all is written
  await Promise.race([Promise.all([...inos].map((ino) => dropPages(ino, 0, 0))), late])
  timer.abort()
  failIf(writes)
}

function failIf({ lastFailure }: WriteBackParts['writes']): void {
  if (lastFailure !== undefined) throw lastFailure
}

/**
 * The inodes of the connection that programs have mapped shared, as far as this user may look into them. Reads only
 * /proc, never the mount.
 */
async function mappedInodes(minor: number): Promise<Set<number>> {
  const found = new Set<number>()
  const line = new RegExp(`^\\S+ ...s \\S+ 00:0*${minor.toString(16)} (\\d+)`, 'gm')
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue
    const text = await readFile(`/proc/${pid}/maps`, 'latin1').catch(() => '') // ended, or of another user
    for (const [, ino] of text.matchAll(line)) found.add(Number(ino))
  }
  return found
}
