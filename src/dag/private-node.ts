/**
 * Private tree nodes: padded bytes under XChaCha20-Poly1305. Each node version has a fresh random key, so the all-zero
 * nonce never repeats under one key. Owns the padding and the seal; the map and the records own the content.
 */
import { createHash } from 'node:crypto'
import { DriveError, KIB, MIB, type Random } from '../base/index.js'
import { xchacha20Poly1305 as xchacha } from '../crypto/index.js'
import type { Block, TreeRef } from './contract.js'
import { corrupt } from './corrupt.js'

/** Sealed nodes are 1, 2, 4 … 256 KiB long, then a multiple of 64 KiB up to 1 MiB. */
const LEAST_BYTES = KIB
const POWERS_UP_TO = 256 * KIB
const STEP_BYTES = 64 * KIB
const MOST_BYTES = MIB
const TAG_BYTES = 16
const PAD_MARK = 0x80

/** The most plaintext bytes one node can hold. */
export const NODE_CAPACITY = MOST_BYTES - TAG_BYTES - 1

const NONCE = new Uint8Array(24)
const AAD = new TextEncoder().encode('dagdrive node v1')

export interface SealedNode {
  readonly ref: TreeRef
  readonly block: Block
}

/** @param plain 0 … NODE_CAPACITY bytes; FILE_TOO_LARGE for more */
export function sealPrivateNode(plain: Uint8Array, random: Random): SealedNode {
  const key = random.bytes(32)
  const bytes = xchacha.seal(key, NONCE, AAD, padNode(plain))
  const digest = sha256(bytes)
  return { ref: { digest, key }, block: { digest, bytes, codec: 'raw' } }
}

/**
 * @param bytes the block with the digest in `ref`; the fetcher has verified it
 * @returns the plaintext; CORRUPT when the block does not open
 */
export function openPrivateNode(bytes: Uint8Array, ref: Pick<TreeRef, 'key'>): Uint8Array {
  if (bytes.length > MOST_BYTES) throw corrupt('a node is too long')
  return unpad(xchacha.open(ref.key, NONCE, AAD, bytes))
}

/** `plain || 0x80 || zeros`, so that padded plaintext plus tag has a permitted length. */
export function padNode(plain: Uint8Array): Uint8Array {
  const padded = new Uint8Array(sealedBytes(plain.length) - TAG_BYTES)
  padded.set(plain)
  padded[plain.length] = PAD_MARK
  return padded
}

/** The inverse of `padNode`; CORRUPT when the padding is not exactly that of `padNode`. */
export function unpad(padded: Uint8Array): Uint8Array {
  let end = padded.length - 1
  while (end >= 0 && padded[end] === 0) end--
  if (end < 0 || padded[end] !== PAD_MARK) throw corrupt('a node has no padding')
  if (end > NODE_CAPACITY || sealedBytes(end) !== padded.length + TAG_BYTES)
    throw corrupt('a node has the wrong padding')
  return padded.subarray(0, end)
}

function sealedBytes(plainBytes: number): number {
  if (plainBytes > NODE_CAPACITY) {
    throw new DriveError('FILE_TOO_LARGE', 'The attributes of one file do not fit into one block.', {
      about: { plainBytes },
    })
  }
  const needed = plainBytes + 1 + TAG_BYTES
  if (needed > POWERS_UP_TO) return Math.ceil(needed / STEP_BYTES) * STEP_BYTES
  let size = LEAST_BYTES
  while (size < needed) size *= 2
  return size
}

/** SHA-256 of a block. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest())
}
