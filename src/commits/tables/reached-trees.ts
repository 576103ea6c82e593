/**
 * The progress of a walk over a version: the directories and chunk lists that it has reached, and the directories that
 * it has not read yet. Both are in a table, so memory grows neither with the tree nor with its depth. In a graph of
 * another device, a directory may have many paths; it is still walked a bounded number of times.
 */
import { nameFromBytes, nameToText, type Digest } from '../../base/index.js'
import { be64, type Table } from '../../storage/kv/index.js'

const REACHED = Buffer.of(0)
const WAITING = Buffer.of(1)
const NOTHING = new Uint8Array(0)

/** References are counted up to this one. */
const MANY_TIMES = 3

export class ReachedTrees {
  #waiting = 0

  /** @param table empty, or with the reached trees of earlier walks whose waiting directories were all taken */
  constructor(private readonly table: Pick<Table, 'get' | 'put' | 'delete'>) {}

  /**
   * Counts a reference to the root node of a directory or chunk list.
   * @param from kept with the first reference
   * @returns 1 for the first reference, at most `MANY_TIMES`
   */
  reach(digest: Digest, from: Uint8Array = NOTHING): number {
    const key = reachedKey(digest)
    const known = this.table.get(key)
    const before = known?.[0] ?? 0
    if (before >= MANY_TIMES) return before
    this.table.put(key, Buffer.concat([Buffer.of(before + 1), known?.subarray(1) ?? from]))
    return before + 1
  }

  /** What was given with the first reference; undefined if there is none. */
  fromOf(digest: Digest): Uint8Array | undefined {
    return this.table.get(reachedKey(digest))?.subarray(1)
  }

  /** Adds a directory to read. */
  wait(directory: Uint8Array): void {
    this.table.put(waitingKey(this.#waiting++), directory)
  }

  /** Takes the directory that was added last; undefined when none waits. */
  next(): Uint8Array | undefined {
    if (this.#waiting === 0) return undefined
    const key = waitingKey(--this.#waiting)
    const directory = this.table.get(key)
    this.table.delete(key)
    return directory
  }
}

function reachedKey(digest: Digest): Buffer {
  return Buffer.concat([REACHED, digest])
}

function waitingKey(at: number): Buffer {
  return Buffer.concat([WAITING, be64(at)])
}

/** The path of a directory by the names under which it was reached. Of a very long one, only the end. */
export function reachedPath(directory: Digest, trees: ReachedTrees): string {
  const names: string[] = []
  let bytes = 0
  for (let at = directory; ;) {
    const from = trees.fromOf(at)
    if (from === undefined || from.length === 0) break
    if (bytes > PATH_MAX) {
      names.push('…')
      break
    }
    const name = from.subarray(DIGEST_BYTES)
    bytes += name.length + 1
    names.push(nameToText(nameFromBytes(name)))
    at = from.slice(0, DIGEST_BYTES)
  }
  return names.reverse().join('/')
}

/** The path of a name in a directory. */
export function pathIn(directory: Digest, name: Uint8Array, trees: ReachedTrees): () => string {
  return () => {
    const parent = reachedPath(directory, trees)
    const own = nameToText(nameFromBytes(name))
    return parent === '' ? own : `${parent}/${own}`
  }
}

const DIGEST_BYTES = 32
/** No program can use a longer path. */
const PATH_MAX = 4096
