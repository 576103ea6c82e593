/** CIDs as the nodes speak them: CIDv1, sha2-256, raw for sealed blocks and dag-pb for forest nodes. */
import { hash } from 'node:crypto'
import { DriveError, equalBytes, type Digest } from '../base/index.js'
import { base32 } from 'multiformats/bases/base32'
import { CID } from 'multiformats/cid'
import { create as createMultihash } from 'multiformats/hashes/digest'
import type { CidText } from './contract.js'

export const CODEC = { RAW: 0x55, DAG_PB: 0x70 } as const
const SHA2_256 = 0x12

export interface ParsedCid {
  readonly codec: number
  readonly digest: Digest
}

/** @returns codec and digest; INVALID for anything that is no CID with a sha2-256 digest */
export function parseCid(text: CidText): ParsedCid {
  let cid: CID
  try {
    cid = CID.parse(text)
  } catch (cause) {
    throw new DriveError('INVALID', 'That is not a CID.', { cause })
  }
  if (cid.multihash.code !== SHA2_256 || cid.multihash.digest.byteLength !== 32) {
    throw new DriveError('INVALID', 'Only CIDs with a sha2-256 digest are supported.', { about: { cid: text } })
  }
  return { codec: cid.code, digest: cid.multihash.digest }
}

export function cidText(digest: Digest, codec: number): CidText {
  return CID.createV1(codec, createMultihash(SHA2_256, digest)).toString(base32)
}

export function cidOfBytes(bytes: Uint8Array, codec: number): CidText {
  return cidText(sha256(bytes), codec)
}

export function matches(bytes: Uint8Array, digest: Digest): boolean {
  return equalBytes(sha256(bytes), digest)
}

function sha256(bytes: Uint8Array): Buffer {
  return hash('sha256', bytes, 'buffer')
}
