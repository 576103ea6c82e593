/** Unix socket paths of any length: the kernel takes 107 bytes, so longer ones are named through an open directory. */
import { open, type FileHandle } from 'node:fs/promises'
import { basename, dirname } from 'node:path'

const MOST_BYTES = 107

export interface SocketAddress {
  /** What to give to `listen` or `connect`. */
  readonly path: string
  /** Call when listening or connected. */
  release(): Promise<void>
}

/** Rejects with ENOENT when the directory is missing. */
export async function socketAddress(path: string): Promise<SocketAddress> {
  if (Buffer.byteLength(path) <= MOST_BYTES) return { path, release: () => Promise.resolve() }
  const directory: FileHandle = await open(dirname(path), 'r')
  return {
    path: `/proc/self/fd/${directory.fd}/${basename(path)}`,
    release: () => directory.close(),
  }
}
