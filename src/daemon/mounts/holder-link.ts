/** One connection to a holder (native/holder.c): the greeting, and whether it lives. */
import { closeSync } from 'node:fs'
import type { RootKey } from '../../crypto/index.js'
import type { HolderNative } from '../../fuse/index.js'

const ANSWER_MS = 5_000
const MOST_MESSAGE_BYTES = 4096
const ETIMEDOUT = 110

/** What a holder gives to the daemon of its home. Descriptors are the receiver's; -1 for none. */
export interface MetHolder {
  readonly link: number
  readonly memory: number
  readonly channel: number
  readonly key: RootKey | undefined
}

/** Undefined where nobody listens, or who listens does not know us. */
export function meetHolder(native: HolderNative, socket: string): MetHolder | undefined {
  const link = native.holderConnect(socket)
  if (link < 0) return undefined
  const bytes = Buffer.alloc(MOST_MESSAGE_BYTES)
  native.holderSend(link, holderMessage('H'), -1)
  const [length, memory, channel] = native.holderReceive(link, bytes, ANSWER_MS)
  if (length < 3 || memory < 0) {
    for (const fd of [link, memory, channel]) if (fd >= 0) closeSync(fd)
    return undefined
  }
  const keyBytes = bytes[2]!
  const key = keyBytes === 0 ? undefined : (new Uint8Array(bytes.subarray(3, 3 + keyBytes)) as RootKey)
  bytes.fill(0)
  return { link, memory, channel, key }
}

/** A holder says nothing unasked: silence is life. */
export function holderLives(native: HolderNative, link: number): boolean {
  const [length] = native.holderReceive(link, Buffer.alloc(1), 0)
  return length === -ETIMEDOUT
}

/** One packet; its first byte says what it is. */
export const holderMessage = (type: 'H' | 'K' | 'C' | 'G' | 'M' | 'D', rest = ''): Buffer =>
  Buffer.from(type + rest, 'utf8')
