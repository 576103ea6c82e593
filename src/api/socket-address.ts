/**
 * Unix socket paths of any length. The kernel accepts 107 bytes, so a longer path is addressed through an open
 * directory.
 */
import { open, type FileHandle } from 'node:fs/promises'
import { basename, dirname } from 'node:path'

const MOST_BYTES = 107

export interface SocketAddress {
  /** The address for `listen` or `connect`. */
  readonly path: string
  /** Call it once the socket listens or is connected. */
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
