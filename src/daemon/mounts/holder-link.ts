/** One connection to a holder (native/holder.c): the handshake, and whether the holder is alive. */
import { closeSync } from 'node:fs'
import { sleep, systemClock } from '../../base/index.js'
import type { RootKey } from '../../crypto/index.js'
import type { HolderNative } from '../../fuse/index.js'

const RETRY_MS = 20
const MOST_MESSAGE_BYTES = 4096
const EAGAIN = 11
const ETIMEDOUT = 110

/** What a holder passes to the daemon of its home. The receiver owns the descriptors; -1 for none. */
export interface HolderHandshake {
  readonly link: number
  readonly memory: number
  readonly channel: number
  readonly key: RootKey | undefined
}

/**
 * Undefined if nothing listens, the listener rejects this daemon, or it does not answer in time. A stopped or starved
 * holder still keeps its mount, and its socket accepts connections until its backlog is full.
 */
export async function connectHolder(
  native: HolderNative,
  socket: string,
  patienceMs: number,
): Promise<HolderHandshake | undefined> {
  const deadline = systemClock.monotonicMs() + patienceMs
  let link = native.holderConnect(socket)
  for (; link === -EAGAIN && systemClock.monotonicMs() < deadline; link = native.holderConnect(socket))
    await sleep(RETRY_MS)
  if (link < 0) return undefined
  const bytes = Buffer.alloc(MOST_MESSAGE_BYTES)
  native.holderSend(link, holderMessage('H'), -1)
  let received = native.holderReceive(link, bytes, RETRY_MS)
  while (received[0] === -ETIMEDOUT && systemClock.monotonicMs() < deadline) {
    await sleep(RETRY_MS)
    received = native.holderReceive(link, bytes, 0)
  }
  const [length, memory, channel] = received
  if (length < 3 || memory < 0) {
    for (const fd of [link, memory, channel]) if (fd >= 0) closeSync(fd)
    return undefined
  }
  const keyBytes = bytes[2]!
  const key = keyBytes === 0 ? undefined : (new Uint8Array(bytes.subarray(3, 3 + keyBytes)) as RootKey)
  bytes.fill(0)
  return { link, memory, channel, key }
}

/** A holder sends nothing unasked, so silence means that it is alive. */
export function holderLives(native: HolderNative, link: number): boolean {
  const [length] = native.holderReceive(link, Buffer.alloc(1), 0)
  return length === -ETIMEDOUT
}

/** One packet; its first byte is its type. */
export const holderMessage = (type: 'H' | 'K' | 'C' | 'G' | 'M' | 'D', rest = ''): Buffer =>
  Buffer.from(type + rest, 'utf8')
