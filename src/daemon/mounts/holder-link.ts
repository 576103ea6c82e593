/** One connection to a holder (native/holder.c): the greeting, and whether it lives. */
import { closeSync } from 'node:fs'
import { sleep, systemClock } from '../../base/index.js'
import type { RootKey } from '../../crypto/index.js'
import type { HolderNative } from '../../fuse/index.js'

const ASK_MS = 20
const MOST_MESSAGE_BYTES = 4096
const EAGAIN = 11
const ETIMEDOUT = 110

/** What a holder gives to the daemon of its home. Descriptors are the receiver's; -1 for none. */
export interface MetHolder {
  readonly link: number
  readonly memory: number
  readonly channel: number
  readonly key: RootKey | undefined
}

/**
 * Undefined where nobody listens, who listens does not know us, or it gives no answer in time: a holder that is stopped
 * or starved still has what it holds, and its socket takes connections until that is full.
 */
export async function meetHolder(
  native: HolderNative,
  socket: string,
  patienceMs: number,
): Promise<MetHolder | undefined> {
  const deadline = systemClock.monotonicMs() + patienceMs
  let link = native.holderConnect(socket)
  for (; link === -EAGAIN && systemClock.monotonicMs() < deadline; link = native.holderConnect(socket))
    await sleep(ASK_MS)
  if (link < 0) return undefined
  const bytes = Buffer.alloc(MOST_MESSAGE_BYTES)
  native.holderSend(link, holderMessage('H'), -1)
  let received = native.holderReceive(link, bytes, ASK_MS)
  while (received[0] === -ETIMEDOUT && systemClock.monotonicMs() < deadline) {
    await sleep(ASK_MS)
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

/** A holder says nothing unasked: silence is life. */
export function holderLives(native: HolderNative, link: number): boolean {
  const [length] = native.holderReceive(link, Buffer.alloc(1), 0)
  return length === -ETIMEDOUT
}

/** One packet; its first byte says what it is. */
export const holderMessage = (type: 'H' | 'K' | 'C' | 'G' | 'M' | 'D', rest = ''): Buffer =>
  Buffer.from(type + rest, 'utf8')
