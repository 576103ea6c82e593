/** Whether folders overlap, however their paths lead there: by links, or by a mount of the same folder elsewhere. */
import { realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of a node whose address is a folder. */
export function nodeFolderOf(address: string): string | undefined {
  return /^file:/iu.test(address) ? fileURLToPath(address) : undefined
}

/** Whether one of the two is the other, or lies within it. Neither has to exist. */
export async function doFoldersOverlap(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([placeOf(one), placeOf(other)])
  return liesWithin(a, b) || liesWithin(b, a)
}

interface Place {
  /** Without links, as far as it exists. */
  readonly path: string
  /** Device and inode; undefined if it does not exist. */
  readonly self: string | undefined
  /** Those of it and of all folders above it. */
  readonly chain: readonly string[]
}

function liesWithin(inner: Place, outer: Place): boolean {
  if (outer.self !== undefined && inner.chain.includes(outer.self)) return true
  return `${inner.path}${sep}`.startsWith(`${outer.path}${sep}`)
}

async function placeOf(path: string): Promise<Place> {
  let real: string
  try {
    real = await realpath(path)
  } catch (error) {
    if (dirname(path) === path) throw error
    // Not made yet, or not to be looked into.
    const parent = await placeOf(dirname(path))
    return { ...parent, path: join(parent.path, basename(path)), self: undefined }
  }
  const chain: string[] = []
  for (let at = real; ; at = dirname(at)) {
    const { dev, ino } = await stat(at, { bigint: true })
    chain.push(`${dev}:${ino}`)
    if (dirname(at) === at) return { path: real, self: chain[0], chain }
  }
}
